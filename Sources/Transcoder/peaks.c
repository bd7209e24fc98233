// Measures the waveform: the lowest and highest sample of each channel in each point of 80 samples at 8 kHz.
#include "transcoder.h"

enum { SAMPLES_PER_POINT = 80, POINTS_PER_PIECE = 25, REPORTED_POINTS = 1000 };

static int channels;
static int64_t samples;
static int8_t points[REPORTED_POINTS * 2 * MAX_CHANNELS];
static size_t count;

/// Pieces begin with a new point; only the last one can end inside of one.
static void measure(AVFrame *piece) {
  const int16_t *next = (const int16_t *)piece->data[0];
  samples += piece->nb_samples;
  for (int left = piece->nb_samples; left > 0; left -= SAMPLES_PER_POINT, next += SAMPLES_PER_POINT * channels) {
    int end = FFMIN(left, SAMPLES_PER_POINT) * channels;
    for (int channel = 0; channel < channels; channel++) {
      int16_t low = INT16_MAX, high = INT16_MIN;
      for (int place = channel; place < end; place += channels) {
        low = FFMIN(low, next[place]);
        high = FFMAX(high, next[place]);
      }
      // Division instead of a shift, as in audiowaveform.
      points[count++] = (int8_t)(low / 256);
      points[count++] = (int8_t)(high / 256);
    }
    if (count + 2 * MAX_CHANNELS > sizeof points) send_peaks();
  }
}

void open_peaks(struct lane *lane, int wanted_channels) {
  channels = wanted_channels;
  open_lane(lane, AV_SAMPLE_FMT_S16, PEAKS_RATE, channels, SAMPLES_PER_POINT * POINTS_PER_PIECE, measure);
}

int64_t measured_samples(void) { return samples; }

void send_peaks(void) {
  if (count > 0) report(FRAME_PEAKS, points, count);
  count = 0;
}
