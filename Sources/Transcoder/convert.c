// One conversion: decodes a recording once, encodes the MP3 and measures the peaks. Runs in a sandboxed process of its
// own, which ends with it; therefore memory is not freed.
#include "transcoder.h"

#include <inttypes.h>

enum { LOWEST_RATE = 4000, HIGHEST_RATE = 192000 };

static struct lane mp3, peaks;

static void report_facts(const struct source *source, const AVFrame *frame) {
  const AVCodecContext *decoder = source->decoder;
  add_fact("", "container", "%s", source->container->iformat->name);
  add_fact("", "codec", "%s", decoder->codec->name);
  add_fact("", "channels", "%d", frame->ch_layout.nb_channels);
  add_fact("", "rate", "%d", frame->sample_rate);
  add_fact("", "bits", "%d", decoder->bits_per_raw_sample ?: decoder->bits_per_coded_sample);
  add_fact("", "mp3_channels", "%d", mp3.piece->ch_layout.nb_channels);
  add_fact("", "mp3_rate", "%d", mp3.piece->sample_rate);
  // According to the container; the decoded audio may contradict it.
  int64_t duration = source->stream->duration;
  if (duration != AV_NOPTS_VALUE) {
    duration = av_rescale_q(duration, source->stream->time_base, AV_TIME_BASE_Q);
    add_fact("", "announced_microseconds", "%" PRId64, duration);
  }
  const AVDictionaryEntry *tag = NULL;
  while ((tag = av_dict_get(source->container->metadata, "", tag, AV_DICT_IGNORE_SUFFIX)) != NULL) {
    add_fact("tag.", tag->key, "%s", tag->value);
  }
  send_facts();
}

/// Starts the MP3 and the peaks with the first frame.
static void start(struct source *source, const struct request *request, const AVFrame *frame) {
  int channels = frame->ch_layout.nb_channels;
  if (channels > MAX_CHANNELS) warn("The recording has %d channels; they are mixed down.", channels);
  AVDictionary *tags = NULL;
  check(av_dict_copy(&tags, source->container->metadata, 0), STAGE_OPEN, "The tags cannot be copied");
  open_mp3(&mp3, frame, tags, request->output_bytes);
  open_peaks(&peaks, mp3.piece->ch_layout.nb_channels);
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
    if ((uint64_t)measured_samples() / (PEAKS_RATE / 1000) > request->audio_milliseconds) {
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
  int64_t end[] = {samples, measured_samples(), mp3_bytes, source->damaged_packets};
  report(FRAME_END, end, sizeof end);
  _exit(EXIT_CONVERTED);
}
