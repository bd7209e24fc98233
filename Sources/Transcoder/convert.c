// One conversion: decodes a recording once, encodes the MP3 and measures the peaks. Runs in a sandboxed process of its
// own, which ends with it; therefore memory is not freed.
#include "transcoder.h"

#include <inttypes.h>
#include <libswresample/swresample.h>

enum { LOWEST_RATE = 4000, HIGHEST_RATE = 192000, PEAKS_RATE = 8000 };
enum { SAMPLES_PER_POINT = 80, POINTS_PER_PIECE = 25, REPORTED_POINTS = 1000 };

// MARK: Formats

typedef void take_piece(AVFrame *piece);

/// Brings the decoded audio into another format, and passes it on in pieces of the same size.
static struct lane {
  struct SwrContext *resampler;
  /// The current piece. Its format, rate, channels and number of samples are set once.
  AVFrame *piece;
  int filled;
  take_piece *take;
} mp3, peaks;

static const char resampling[] = "The audio cannot be resampled";

static void open_lane(
  struct lane *lane, enum AVSampleFormat format, int rate, int channels, int count, take_piece *take
) {
  lane->take = take;
  AVFrame *piece = lane->piece = allocated(av_frame_alloc());
  piece->format = format;
  piece->sample_rate = rate;
  piece->nb_samples = count;
  av_channel_layout_default(&piece->ch_layout, channels);
  check(av_frame_get_buffer(piece, 0), STAGE_ENCODE, resampling);
}

/// Prepares for frames like this one.
static void connect_lane(struct lane *lane, const AVFrame *frame) {
  AVFrame *piece = lane->piece;
  swr_free(&lane->resampler);
  int result = swr_alloc_set_opts2(
    &lane->resampler, &piece->ch_layout, piece->format, piece->sample_rate, (AVChannelLayout *)&frame->ch_layout,
    frame->format, frame->sample_rate, 0, NULL);
  check(result, STAGE_DECODE, resampling);
  check(swr_init(lane->resampler), STAGE_DECODE, resampling);
}

/// Passes on a frame, or when it is NULL what the resampler holds.
static void run_lane(struct lane *lane, const AVFrame *frame) {
  AVFrame *piece = lane->piece;
  const uint8_t **input = frame != NULL ? (const uint8_t **)frame->extended_data : NULL;
  int given = frame != NULL ? frame->nb_samples : 0, got;
  bool is_planar = av_sample_fmt_is_planar(piece->format);
  int planes = is_planar ? piece->ch_layout.nb_channels : 1;
  int sample_bytes = av_get_bytes_per_sample(piece->format) * piece->ch_layout.nb_channels / planes;
  do {
    uint8_t *rest[MAX_CHANNELS] = {NULL};
    for (int plane = 0; plane < planes; plane++) rest[plane] = piece->data[plane] + lane->filled * sample_bytes;
    // The resampler keeps what does not fit. A call without samples, but not with NULL, returns more of it.
    got = swr_convert(lane->resampler, rest, piece->nb_samples - lane->filled, input, given);
    lane->filled += check(got, STAGE_DECODE, resampling);
    given = 0;
    if (lane->filled == piece->nb_samples) {
      lane->take(piece);
      lane->filled = 0;
      // The encoder may have kept a reference.
      check(av_frame_make_writable(piece), STAGE_ENCODE, resampling);
    }
  } while (got > 0);
}

/// Passes on the last piece, which is not full.
static void finish_lane(struct lane *lane) {
  lane->piece->nb_samples = lane->filled;
  if (lane->filled > 0) lane->take(lane->piece);
}

// MARK: The waveform: the lowest and highest sample of each channel in each point of 80 samples at 8 kHz

static int64_t measured_samples;
static int8_t points[REPORTED_POINTS * 2 * MAX_CHANNELS];
static size_t count;

/// Reports the peaks since the last report.
static void send_peaks(void) {
  if (count > 0) report(FRAME_PEAKS, points, count);
  count = 0;
}

/// Pieces begin with a new point; only the last one can end inside of one.
static void measure(AVFrame *piece) {
  const int16_t *next = (const int16_t *)piece->data[0];
  int channels = piece->ch_layout.nb_channels;
  measured_samples += piece->nb_samples;
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

// MARK: The conversion

static void report_facts(const struct source *source, const AVFrame *frame) {
  report_fact("", "container", "%s", source->container->iformat->name);
  report_fact("", "codec", "%s", source->decoder->codec->name);
  report_fact("", "channels", "%d", frame->ch_layout.nb_channels);
  report_fact("", "rate", "%d", frame->sample_rate);
  report_fact("", "mp3_channels", "%d", mp3.piece->ch_layout.nb_channels);
  report_fact("", "mp3_rate", "%d", mp3.piece->sample_rate);
  const AVDictionaryEntry *tag = NULL;
  while ((tag = av_dict_get(source->container->metadata, "", tag, AV_DICT_IGNORE_SUFFIX)) != NULL) {
    report_fact("tag.", tag->key, "%s", tag->value);
  }
}

/// Starts the MP3 and the peaks with the first frame.
static void start(struct source *source, const struct request *request, const AVFrame *frame) {
  int channels = frame->ch_layout.nb_channels;
  if (channels > MAX_CHANNELS) warn("The recording has %d channels; they are mixed down.", channels);
  AVDictionary *tags = NULL;
  check(av_dict_copy(&tags, source->container->metadata, 0), STAGE_OPEN, "The tags cannot be copied");
  const AVCodecContext *encoder = open_mp3(frame, tags, request);
  channels = encoder->ch_layout.nb_channels;
  open_lane(&mp3, encoder->sample_fmt, encoder->sample_rate, channels, encoder->frame_size, encode_mp3);
  open_lane(&peaks, AV_SAMPLE_FMT_S16, PEAKS_RATE, channels, SAMPLES_PER_POINT * POINTS_PER_PIECE, measure);
  report_facts(source, frame);
}

/// Whether two frames have the same format. Decoders can change it in the middle of a recording.
static bool are_alike(const AVFrame *one, const AVFrame *other) {
  return one->sample_rate == other->sample_rate && one->format == other->format
         && av_channel_layout_compare(&one->ch_layout, &other->ch_layout) == 0;
}

_Noreturn void convert(struct source *source, const struct request *request) {
  open_source(source, request);
  AVFrame *frame = allocated(av_frame_alloc()), *previous = allocated(av_frame_alloc());
  int64_t samples = 0;
  while (decode(source, frame)) {
    // Like the ffmpeg program, assumes the usual order of channels where the recording does not name them.
    AVChannelLayout *layout = &frame->ch_layout;
    if (layout->order == AV_CHANNEL_ORDER_UNSPEC) av_channel_layout_default(layout, layout->nb_channels);
    if (frame->sample_rate < LOWEST_RATE || frame->sample_rate > HIGHEST_RATE) {
      fail(STAGE_AUDIO, 0, "The sample rate is %d Hz, not %d to %d", frame->sample_rate, LOWEST_RATE, HIGHEST_RATE);
    }
    if (samples == 0) start(source, request, frame);
    if (samples == 0 || !are_alike(frame, previous)) {
      if (samples > 0) run_lane(&mp3, NULL), run_lane(&peaks, NULL);
      connect_lane(&mp3, frame);
      connect_lane(&peaks, frame);
    }
    run_lane(&mp3, frame);
    run_lane(&peaks, frame);
    samples += frame->nb_samples;
    if ((uint64_t)measured_samples / (PEAKS_RATE / 1000) > request->audio_milliseconds) {
      fail(STAGE_AUDIO, 0, "The audio is longer than %" PRIu64 " ms", request->audio_milliseconds);
    }
    av_frame_unref(previous);
    av_frame_move_ref(previous, frame);
  }
  if (samples == 0) fail(STAGE_DECODE, 0, "The recording contains no audio");
  run_lane(&mp3, NULL);
  run_lane(&peaks, NULL);
  finish_lane(&mp3);
  finish_lane(&peaks);
  int64_t mp3_bytes = finish_mp3();
  send_peaks();
  int64_t end[] = {samples, measured_samples, mp3_bytes, source->damaged_packets};
  report(FRAME_END, end, sizeof end);
  _exit(EXIT_CONVERTED);
}
