// What a conversion tells Tapedeck: frames on a pipe. All sizes and counts are bounded.
#include "transcoder.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_TEXT_BYTES = 1024 };

static char last_message[MAX_TEXT_BYTES];

static void keep_message(void *context, int level, const char *format, va_list arguments) {
  static int starts_line = 1;
  if (level > AV_LOG_ERROR) return;
  av_log_format_line2(context, level, format, arguments, last_message, sizeof last_message, &starts_line);
}

void collect_messages(void) { av_log_set_callback(keep_message); }

static void write_all(const void *bytes, size_t count) {
  // When Tapedeck has closed the pipe, SIGPIPE ends the process first.
  if (write(REPORT, bytes, count) != (ssize_t)count) _exit(EXIT_UNREPORTED);
}

void report(enum frame_type type, const void *bytes, size_t count) {
  // Both supported architectures are little-endian.
  char header[5] = {(char)type};
  memcpy(header + 1, &(uint32_t){(uint32_t)count}, 4);
  write_all(header, sizeof header);
  write_all(bytes, count);
}

/// Writes a text into a buffer of MAX_TEXT_BYTES; returns its length.
static size_t print(char *text, const char *format, va_list arguments) {
  vsnprintf(text, MAX_TEXT_BYTES, format, arguments);
  return strlen(text);
}

void warn(const char *format, ...) {
  static int count = 0;
  if (count++ >= MAX_WARNINGS) return;
  char text[MAX_TEXT_BYTES];
  va_list arguments;
  va_start(arguments, format);
  report(FRAME_WARNING, text, print(text, format, arguments));
  va_end(arguments);
}

void report_fact(const char *prefix, const char *name, const char *format, ...) {
  static int count = 0;
  if (count++ >= MAX_FACTS) return;
  char pair[2 * MAX_TEXT_BYTES];
  snprintf(pair, MAX_TEXT_BYTES, "%s%s", prefix, name);
  size_t length = strlen(pair) + 1;
  va_list arguments;
  va_start(arguments, format);
  report(FRAME_FACT, pair, length + print(pair + length, format, arguments));
  va_end(arguments);
}

_Noreturn void fail(enum stage stage, int code, const char *format, ...) {
  struct {
    int32_t stage, code;
    char text[3 * MAX_TEXT_BYTES];
  } error = {.stage = (int32_t)stage, .code = code};
  va_list arguments;
  va_start(arguments, format);
  size_t length = print(error.text, format, arguments);
  va_end(arguments);
  char *end = error.text + length;
  size_t space = sizeof error.text - length;
  if (code == 0) snprintf(end, space, "\n%s", last_message);
  else snprintf(end, space, ": %s\n%s", av_err2str(code), last_message);
  report(FRAME_ERROR, &error, offsetof(typeof(error), text) + strlen(error.text));
  _exit(EXIT_REPORTED);
}

int check(int result, enum stage stage, const char *message) {
  if (result == AVERROR(ENOMEM)) allocated(NULL);
  if (result < 0) fail(stage, result, "%s", message);
  return result;
}

void *allocated(void *memory) {
  if (memory == NULL) fail(STAGE_MEMORY, AVERROR(ENOMEM), "The conversion needs more memory than allowed");
  return memory;
}
