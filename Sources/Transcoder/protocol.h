// The messages between Tapedeck and tapedeck-transcoder.
#pragma once
#include <stdint.h>

// MARK: Socket. Standard input of the transcoder is a Unix socket of type SOCK_SEQPACKET. One packet is one message;
// numbers have the byte order of this machine.

enum { PROTOCOL_VERSION = 1 };

enum request_kind {
  /// Converts one recording. Carries three blocking descriptors: the recording, the MP3 and the pipe for the report.
  REQUEST_CONVERT = 1,
  /// Kills the conversion with this id; without effect when it has ended.
  REQUEST_CANCEL = 2,
};

/// Any damage of the recording is an error instead of a warning.
enum { FLAG_STRICT = 1 };

struct request {
  uint32_t kind, flags;
  /// Chosen by Tapedeck; identifies the conversion in all later messages.
  uint64_t id;
  /// Limits. The libraries map about 200 MB of memory.
  uint64_t cpu_seconds, memory_bytes, output_bytes, audio_milliseconds;
  /// The name of the only demuxer that may be used, filled up with zero bytes.
  char demuxer[16];
  /// Sample rate and channels of the MP3; 0 for those that suit the recording. All parts of a call have the same.
  uint32_t mp3_rate, mp3_channels;
};

enum reply_kind {
  /// Once at start. `status`: protocol version; `numbers`: Landlock's version or 0, and 1 if there is seccomp; `text`:
  /// FFmpeg's version.
  REPLY_READY = 1,
  /// A conversion cannot be started. `status`: the error number.
  REPLY_REFUSED = 2,
  /// A conversion has ended. `status`: exit code, or a signal as a negative number (SIGSYS after a forbidden system
  /// call, to which a crash by `abort` leads too); `numbers`: processor time in microseconds, largest memory in bytes.
  REPLY_ENDED = 3,
};

struct reply {
  uint32_t kind;
  int32_t status;
  uint64_t id, numbers[2];
  char text[32];
};

enum exit_code { EXIT_CONVERTED = 0, EXIT_REPORTED = 1, EXIT_UNREPORTED = 2 };

// MARK: Report. A sequence of frames: the type (1 byte), the length (4 bytes, little-endian as all numbers of a report)
// and the content, at most MAX_FRAME_BYTES.

enum { MAX_FRAME_BYTES = 32 << 10, MAX_WARNINGS = 32, MAX_FACTS = 200 };

enum frame_type {
  /// Name and value, with a zero byte in between. The names of tags begin with "tag.".
  FRAME_FACT = 'F',
  FRAME_WARNING = 'W',
  /// The next peaks: lowest and highest value of each channel, one signed byte each.
  FRAME_PEAKS = 'P',
  /// The last frame of a failed conversion: stage (4 bytes), FFmpeg's error code or 0 (4 bytes), text.
  FRAME_ERROR = 'E',
  /// The last frame of a successful one, 8 bytes each: decoded samples of each channel, the same at the rate of the
  /// peaks, bytes of the MP3, packets that could not be decoded.
  FRAME_END = 'Z',
};

enum stage {
  STAGE_SANDBOX = 1,
  /// The recording cannot be read, for a reason of this machine.
  STAGE_INPUT = 7,
  /// The recording is not what its demuxer expects, or has no usable audio.
  STAGE_OPEN = 2,
  STAGE_DECODE = 3,
  STAGE_ENCODE = 4,
  STAGE_OUTPUT = 5,
  /// Memory would exceed its limit.
  STAGE_MEMORY = 6,
  /// The audio is too long, or its sample rate is not supported.
  STAGE_AUDIO = 8,
};
