// What the parts of the transcoder offer each other.
#pragma once
#include "protocol.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/// The descriptors of a conversion; it has no others. Messages of libraries go to /dev/null.
enum { INPUT = 0, OUTPUT = 1, MESSAGES = 2, REPORT = 3 };

// MARK: report.c

/// Keeps FFmpeg's last message for `fail`.
void collect_messages(void);
/// Sends one frame.
void report(enum frame_type type, const void *bytes, size_t count);
/// Sends a warning; those after the first MAX_WARNINGS are dropped.
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// Sends a fact, unless there were MAX_FACTS before. Long values are cut off.
void report_fact(const char *prefix, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/// Reports an error with FFmpeg's last message and ends the process. `code` is FFmpeg's or 0.
_Noreturn void fail(enum stage stage, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/// Returns `result`; calls `fail` when it is an error code of FFmpeg.
int check(int result, enum stage stage, const char *message);
/// Returns `memory`; calls `fail` when it is NULL.
void *allocated(void *memory);

// MARK: sandbox.c

/// The protections that this system offers. A conversion uses all of them or fails.
struct protections {
  /// The version of Landlock's interface; 0 where there is none.
  int landlock;
  bool seccomp;
};

struct protections find_protections(void);
/// Gives up everything that a conversion does not need. All descriptors except its own are already closed.
void enter_sandbox(struct protections protections, const struct request *limits);

// MARK: source.c

/// A recording: its container, and the decoder of its audio.
struct source {
  AVFormatContext *container;
  AVStream *stream;
  AVCodecContext *decoder;
  AVPacket *packet;
  /// -1 for a pipe, which is read from start to end.
  int64_t file_bytes;
  int64_t position, damaged_packets;
  bool is_strict;
};

/// Opens the recording with the demuxer of the request, and no other.
void open_source(struct source *source, const struct request *request);
/// Decodes the next frame; false at the end.
bool decode(struct source *source, AVFrame *frame);

// MARK: mp3.c and convert.c

enum { MAX_CHANNELS = 2 };

/// Starts an MP3 for audio like `frame` with these tags, which are taken; returns its encoder.
const AVCodecContext *open_mp3(const AVFrame *frame, AVDictionary *tags, const struct request *request);
/// Encodes samples in the encoder's format. All pieces but the last have its frame size.
void encode_mp3(AVFrame *piece);
/// Completes the MP3; returns its size in bytes.
int64_t finish_mp3(void);

/// Converts the recording in one pass over its samples, and ends the process.
_Noreturn void convert(struct source *source, const struct request *request);
