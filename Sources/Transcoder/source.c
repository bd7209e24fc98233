// Reads a recording: one demuxer, known decoders, and no other files.
#include "transcoder.h"

#include <libavutil/avstring.h>

/// The accepted containers, by FFmpeg's names.
static const char demuxers[] = "wav,w64,mov,mp3,flac,ogg,amr";
/// Those whose beginning must be examined; for the others, the header and the first decoded frame are enough.
static const char probed_demuxers[] = "mp3,flac,ogg";
/// The accepted decoders.
static const char decoders[] =
  "pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,"
  "pcm_mulaw,pcm_alaw,gsm_ms,adpcm_ms,adpcm_ima_wav,g722,g726,g729,mp3,mp3float,aac,opus,vorbis,flac,amrnb,amrwb";

enum { BUFFER_BYTES = 64 << 10, PROBED_BYTES = 1 << 20, LEAST_PROBED_BYTES = 32 };

// MARK: Bytes

static int read_recording(void *opaque, uint8_t *bytes, int count) {
  struct source *source = opaque;
  bool is_pipe = source->file_bytes < 0;
  ssize_t got = is_pipe ? read(INPUT, bytes, (size_t)count) : pread(INPUT, bytes, (size_t)count, source->position);
  if (got < 0) fail(STAGE_INPUT, AVERROR(errno), "The recording cannot be read");
  source->position += got;
  return got > 0 ? (int)got : AVERROR_EOF;
}

static int64_t seek_recording(void *opaque, int64_t offset, int whence) {
  struct source *source = opaque;
  if (whence & AVSEEK_SIZE) return source->file_bytes;
  if ((whence & ~AVSEEK_FORCE) != SEEK_SET || offset < 0) return AVERROR(EINVAL);
  return source->position = offset;
}

/// Called when a demuxer wants to open another file.
static int refuse_file(AVFormatContext *container, AVIOContext **io, const char *name, int flags, AVDictionary **more) {
  (void)container, (void)io, (void)flags, (void)more;
  fail(STAGE_OPEN, AVERROR(EPERM), "The recording refers to another file (%.200s)", name);
}

// MARK: Opening

static void choose_stream(struct source *source) {
  int audio = 0, video = 0;
  for (unsigned place = 0; place < source->container->nb_streams; place++) {
    AVStream *stream = source->container->streams[place];
    bool is_audio = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
    bool is_video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    // A picture that belongs to the tags is no film.
    video += is_video && !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC);
    if (is_audio && audio++ == 0) source->stream = stream; else stream->discard = AVDISCARD_ALL;
  }
  if (audio == 0) fail(STAGE_OPEN, 0, "The recording contains no audio");
  if (audio > 1) warn("The recording has %d audio streams; the first one is converted.", audio);
  if (video > 0) warn("The recording contains video; only its audio is converted.");
}

static void open_decoder(struct source *source) {
  const AVCodecParameters *parameters = source->stream->codecpar;
  const AVCodec *codec = avcodec_find_decoder(parameters->codec_id);
  if (codec == NULL) fail(STAGE_OPEN, 0, "The codec %s is not supported", avcodec_get_name(parameters->codec_id));
  AVCodecContext *decoder = source->decoder = allocated(avcodec_alloc_context3(codec));
  check(avcodec_parameters_to_context(decoder, parameters), STAGE_OPEN, "The codec's parameters are invalid");
  decoder->codec_whitelist = allocated(av_strdup(decoders));
  decoder->pkt_timebase = source->stream->time_base;
  decoder->thread_count = 1;
  if (source->is_strict) decoder->err_recognition |= AV_EF_EXPLODE;
  // Others have no checksum, or one that writers get wrong.
  if (source->is_strict && codec->id == AV_CODEC_ID_FLAC) decoder->err_recognition |= AV_EF_CRCCHECK;
  check(avcodec_open2(decoder, codec, NULL), STAGE_OPEN, "The codec is not supported, or its parameters are invalid");
}

void open_source(struct source *source, const struct request *request) {
  source->is_strict = request->flags & FLAG_STRICT;
  source->packet = allocated(av_packet_alloc());
  char name[sizeof request->demuxer + 1] = "";
  memcpy(name, request->demuxer, sizeof request->demuxer);
  const AVInputFormat *demuxer = av_match_name(name, demuxers) ? av_find_input_format(name) : NULL;
  if (demuxer == NULL) fail(STAGE_OPEN, 0, "The container %s is not supported", name);

  AVFormatContext *container = source->container = allocated(avformat_alloc_context());
  uint8_t *buffer = allocated(av_malloc(BUFFER_BYTES));
  int64_t (*seek)(void *, int64_t, int) = source->file_bytes >= 0 ? seek_recording : NULL;
  container->pb = allocated(avio_alloc_context(buffer, BUFFER_BYTES, 0, source, read_recording, NULL, seek));
  container->io_open = refuse_file;
  container->protocol_whitelist = allocated(av_strdup(""));
  container->format_whitelist = allocated(av_strdup(demuxer->name));
  container->codec_whitelist = allocated(av_strdup(decoders));
  bool needs_probing = av_match_name(name, probed_demuxers);
  container->probesize = needs_probing ? PROBED_BYTES : LEAST_PROBED_BYTES;
  if (source->is_strict) container->error_recognition |= AV_EF_EXPLODE;
  check(avformat_open_input(&source->container, "", demuxer, NULL), STAGE_OPEN, "The container cannot be read");
  int probed = needs_probing ? avformat_find_stream_info(container, NULL) : 0;
  check(probed, STAGE_OPEN, "The beginning of the audio cannot be read");
  choose_stream(source);
  // In Ogg, the tags belong to the audio stream and not to the file.
  if (av_match_name(name, "ogg")) av_dict_copy(&container->metadata, source->stream->metadata, AV_DICT_DONT_OVERWRITE);
  open_decoder(source);
}

// MARK: Decoding

static void report_damage(struct source *source, int code) {
  if (code == AVERROR(ENOMEM)) allocated(NULL);
  if (source->is_strict) fail(STAGE_DECODE, code, "The audio is damaged");
  if (source->damaged_packets++ == 0) warn("Some of the audio could not be decoded: %s", av_err2str(code));
}

bool decode(struct source *source, AVFrame *frame) {
  while (true) {
    int result = avcodec_receive_frame(source->decoder, frame);
    if (result >= 0) return true;
    if (result == AVERROR_EOF) return false;
    if (result != AVERROR(EAGAIN)) {
      report_damage(source, result);
      continue;
    }
    do {
      av_packet_unref(source->packet);
      result = av_read_frame(source->container, source->packet);
    } while (result >= 0 && source->packet->stream_index != source->stream->index);
    bool is_end = result < 0;
    if (is_end && result != AVERROR_EOF) report_damage(source, result);
    result = avcodec_send_packet(source->decoder, is_end ? NULL : source->packet);
    if (result < 0) report_damage(source, result);
  }
}
