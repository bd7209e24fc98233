// Writes an MP3 with the same samples as `ffmpeg -i in.wav -codec:a libmp3lame -q:a 2 -map_metadata 0 out.mp3`.
#include "transcoder.h"

#include <math.h>
#include <stdlib.h>

enum { BUFFER_BYTES = 64 << 10, QUALITY = 2 };

static AVFormatContext *container;
static AVCodecContext *encoder;
static AVPacket *packet;
static int64_t next_sample, position, written_bytes, limit_bytes;

// MARK: Format. The ffmpeg program chooses the same.

static int choose_rate(int rate) {
  // In the order of FFmpeg's encoder: of two rates at the same distance, the first is chosen.
  static const int rates[] = {44100, 48000, 32000, 22050, 24000, 16000, 11025, 12000, 8000};
  int best = rates[0];
  for (size_t place = 1; place < sizeof rates / sizeof *rates; place++) {
    if (abs(rates[place] - rate) < abs(best - rate)) best = rates[place];
  }
  return best;
}

static enum AVSampleFormat choose_format(enum AVSampleFormat decoded) {
  switch (av_get_packed_sample_fmt(decoded)) {
  case AV_SAMPLE_FMT_U8:
  case AV_SAMPLE_FMT_S16: return AV_SAMPLE_FMT_S16P;
  case AV_SAMPLE_FMT_S32: return AV_SAMPLE_FMT_S32P;
  default: return AV_SAMPLE_FMT_FLTP;
  }
}

static int choose_channels(const AVChannelLayout *decoded) {
  bool has_left = av_channel_layout_index_from_channel(decoded, AV_CHAN_FRONT_LEFT) >= 0;
  bool has_right = av_channel_layout_index_from_channel(decoded, AV_CHAN_FRONT_RIGHT) >= 0;
  bool has_centre = av_channel_layout_index_from_channel(decoded, AV_CHAN_FRONT_CENTER) >= 0;
  return has_left + has_right > has_centre ? 2 : 1;
}

// MARK: The file

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_byte;
#else
typedef uint8_t written_byte;
#endif

static int write_output(void *opaque, written_byte *bytes, int count) {
  (void)opaque;
  if (position + count > limit_bytes) fail(STAGE_OUTPUT, AVERROR(EFBIG), "The MP3 becomes too long");
  ssize_t written = pwrite(OUTPUT, bytes, (size_t)count, position);
  // A file takes fewer bytes only when the disk is full.
  if (written != count) fail(STAGE_OUTPUT, AVERROR(written < 0 ? errno : ENOSPC), "The MP3 cannot be written");
  position += count;
  written_bytes = FFMAX(written_bytes, position);
  return count;
}

/// The muxer writes the Xing header at the start last.
static int64_t seek_output(void *opaque, int64_t offset, int whence) {
  (void)opaque;
  if (whence & AVSEEK_SIZE) return written_bytes;
  if ((whence & ~AVSEEK_FORCE) != SEEK_SET) return AVERROR(EINVAL);
  return position = offset;
}

// MARK: Encoding

/// Encodes a frame, or when it is NULL what the encoder holds.
static void encode(const AVFrame *frame) {
  static const char message[] = "The audio cannot be encoded";
  check(avcodec_send_frame(encoder, frame), STAGE_ENCODE, message);
  for (int result; (result = avcodec_receive_packet(encoder, packet)) != AVERROR(EAGAIN) && result != AVERROR_EOF;) {
    check(result, STAGE_ENCODE, message);
    av_packet_rescale_ts(packet, encoder->time_base, container->streams[0]->time_base);
    check(av_write_frame(container, packet), STAGE_OUTPUT, "The MP3 cannot be written");
    av_packet_unref(packet);
  }
}

/// Replaces values that no recording has, because LAME aborts on infinity, NaN, and noise from about 1,000,000 on. Full
/// scale is 1, and 32,768 where a program has written integers as they were.
static void clamp(float *samples, int count) {
  const float highest = 65536;
  for (int place = 0; place < count; place++) {
    if (!(fabsf(samples[place]) <= highest)) samples[place] = isnan(samples[place]) ? 0 : copysignf(1, samples[place]);
  }
}

void encode_mp3(AVFrame *piece) {
  for (int channel = 0; piece->format == AV_SAMPLE_FMT_FLTP && channel < piece->ch_layout.nb_channels; channel++) {
    clamp((float *)piece->data[channel], piece->nb_samples);
  }
  piece->pts = next_sample;
  next_sample += piece->nb_samples;
  encode(piece);
}

static void open_encoder(const AVFrame *frame, const struct request *request) {
  const AVCodec *codec = avcodec_find_encoder_by_name("libmp3lame");
  if (codec == NULL) fail(STAGE_ENCODE, AVERROR_ENCODER_NOT_FOUND, "FFmpeg has been built without libmp3lame");
  encoder = allocated(avcodec_alloc_context3(codec));
  encoder->sample_fmt = choose_format(frame->format);
  encoder->sample_rate = request->mp3_rate > 0 ? (int)request->mp3_rate : choose_rate(frame->sample_rate);
  encoder->time_base = (AVRational){1, encoder->sample_rate};
  int channels = request->mp3_channels > 0 ? (int)request->mp3_channels : choose_channels(&frame->ch_layout);
  av_channel_layout_default(&encoder->ch_layout, channels);
  // What `-q:a` sets. Everything else stays at the encoder's defaults, as in the program.
  encoder->flags |= AV_CODEC_FLAG_QSCALE;
  encoder->global_quality = QUALITY * FF_QP2LAMBDA;
  encoder->thread_count = 1;
  check(avcodec_open2(encoder, codec, NULL), STAGE_ENCODE, "The MP3 encoder cannot be used");
}

const AVCodecContext *open_mp3(const AVFrame *frame, AVDictionary *tags, const struct request *request) {
  static const char message[] = "The MP3 cannot be started";
  limit_bytes = (int64_t)FFMIN(request->output_bytes, INT64_MAX);
  open_encoder(frame, request);
  packet = allocated(av_packet_alloc());
  check(avformat_alloc_output_context2(&container, NULL, "mp3", NULL), STAGE_ENCODE, message);
  uint8_t *buffer = allocated(av_malloc(BUFFER_BYTES));
  container->pb = allocated(avio_alloc_context(buffer, BUFFER_BYTES, 1, NULL, NULL, write_output, seek_output));
  container->metadata = tags;
  AVStream *stream = allocated(avformat_new_stream(container, NULL));
  stream->time_base = encoder->time_base;
  check(avcodec_parameters_from_context(stream->codecpar, encoder), STAGE_ENCODE, message);
  // Named in the Xing header, as by the program.
  av_dict_set(&stream->metadata, "encoder", LIBAVCODEC_IDENT " libmp3lame", 0);
  check(avformat_write_header(container, NULL), STAGE_OUTPUT, message);
  return encoder;
}

int64_t finish_mp3(void) {
  encode(NULL);
  check(av_write_trailer(container), STAGE_OUTPUT, "The MP3 cannot be completed");
  avio_flush(container->pb);
  return written_bytes;
}
