#include "transcoder.h"

#include <libswresample/swresample.h>

static const char message[] = "The audio cannot be resampled";

void open_lane(struct lane *lane, enum AVSampleFormat format, int rate, int channels, int count, take_piece *take) {
  lane->take = take;
  AVFrame *piece = lane->piece = allocated(av_frame_alloc());
  piece->format = format;
  piece->sample_rate = rate;
  piece->nb_samples = count;
  av_channel_layout_default(&piece->ch_layout, channels);
  check(av_frame_get_buffer(piece, 0), STAGE_ENCODE, message);
}

void connect_lane(struct lane *lane, const AVFrame *frame) {
  AVFrame *piece = lane->piece;
  swr_free(&lane->resampler);
  int result = swr_alloc_set_opts2(
    &lane->resampler, &piece->ch_layout, piece->format, piece->sample_rate, (AVChannelLayout *)&frame->ch_layout,
    frame->format, frame->sample_rate, 0, NULL);
  check(result, STAGE_DECODE, message);
  check(swr_init(lane->resampler), STAGE_DECODE, message);
}

void run_lane(struct lane *lane, const AVFrame *frame) {
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
    lane->filled += check(got, STAGE_DECODE, message);
    given = 0;
    if (lane->filled == piece->nb_samples) {
      lane->take(piece);
      lane->filled = 0;
      // The encoder may have kept a reference.
      check(av_frame_make_writable(piece), STAGE_ENCODE, message);
    }
  } while (got > 0);
}

void finish_lane(struct lane *lane) {
  lane->piece->nb_samples = lane->filled;
  if (lane->filled > 0) lane->take(lane->piece);
}
