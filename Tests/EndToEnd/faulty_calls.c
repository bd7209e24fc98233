/* Makes calls of a program fail, as a disk, a database or a network can.

   Compiled by `faults.py` into a library that is preloaded into Tapedeck (LD_PRELOAD, see ld.so(8)); the environment
   chooses what fails:

     FAULTY_FOLDER  only files below this absolute path count, and only in the first process, not in FFmpeg
     FAULTY_TRACE   a file that gets one line for each counted call: its kind, its path, and "failed" if it failed
     FAULTY_KIND    the kind of call that fails: write, fsync, rename, open, make, remove, cut, load, query, receive
     FAULTY_ERROR   what it fails with: an errno, or for "query" a result code of SQLite
     FAULTY_FILES   only paths below the folder that match this pattern (fnmatch(3)) fail, or statements for "query"
     FAULTY_AT      the number of the call that fails, counted from 1 over the matching calls; or
     FAULTY_WHILE   a file: every matching call fails for as long as this file exists
     FAULTY_PORT    "receive" means reading from a TCP connection to this port
     FAULTY_CLOCK   the number of seconds by which the time of day is wrong

   A failed call has no other effect. `ROLLBACK` never fails: SQLite ends the transaction even when the disk fails, and
   programs rely on that. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct {
  char folder[PATH_MAX];
  size_t folder_length;
  const char *kind, *files, *flag;
  long error, at, port;
  int trace;
  pid_t owner;
} plan = {.trace = -1};

static atomic_long number;

static long number_of(const char *name) {
  const char *text = getenv(name);
  return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((constructor)) static void prepare(void) {
  const char *folder = getenv("FAULTY_FOLDER");
  if (!folder) return;
  snprintf(plan.folder, sizeof plan.folder, "%s/", folder);
  plan.folder_length = strlen(plan.folder);
  plan.kind = getenv("FAULTY_KIND");
  plan.files = getenv("FAULTY_FILES");
  plan.flag = getenv("FAULTY_WHILE");
  plan.error = number_of("FAULTY_ERROR");
  plan.at = number_of("FAULTY_AT");
  plan.port = number_of("FAULTY_PORT");
  const char *trace = getenv("FAULTY_TRACE");
  if (trace) plan.trace = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  plan.owner = getpid();
  unsetenv("LD_PRELOAD");
}

/* Counts a call and decides whether it fails. `path` is relative to the folder; a query has its statement instead. */
static int fails(const char *kind, const char *path) {
  int is_to_fail = 0;
  if (plan.kind && strcmp(kind, plan.kind) == 0 && (!plan.files || fnmatch(plan.files, path, 0) == 0)) {
    long n = atomic_fetch_add(&number, 1) + 1;
    is_to_fail = plan.flag ? syscall(SYS_faccessat, AT_FDCWD, plan.flag, F_OK) == 0 : n == plan.at;
  }
  if (plan.trace >= 0) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%s %.3900s%s\n", kind, path, is_to_fail ? " failed" : "");
    if (length > 0) syscall(SYS_write, plan.trace, line, (size_t)length);
  }
  return is_to_fail;
}

static int is_ours(void) { return plan.owner != 0 && getpid() == plan.owner; }

static int path_fails(const char *kind, const char *path) {
  if (!is_ours() || !path) return 0;
  int saved = errno, outcome = 0;
  if (strncmp(path, plan.folder, plan.folder_length) == 0) outcome = fails(kind, path + plan.folder_length);
  // The folder itself, without the slash.
  if (strncmp(path, plan.folder, plan.folder_length - 1) == 0 && !path[plan.folder_length - 1])
    outcome = fails(kind, ".");
  errno = outcome ? (int)plan.error : saved;
  return outcome;
}

static int file_fails(const char *kind, int descriptor) {
  if (!is_ours() || descriptor == plan.trace) return 0;
  int saved = errno;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = saved;
  if (length <= 0) return 0;
  path[length] = 0;
  return path_fails(kind, path);
}

static int connection_fails(int descriptor) {
  if (!is_ours() || plan.port == 0) return 0;
  int saved = errno;
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  int is_platform = 0;
  if (getpeername(descriptor, (struct sockaddr *)&peer, &length) == 0) {
    if (peer.ss_family == AF_INET) is_platform = ntohs(((struct sockaddr_in *)&peer)->sin_port) == plan.port;
    if (peer.ss_family == AF_INET6) is_platform = ntohs(((struct sockaddr_in6 *)&peer)->sin6_port) == plan.port;
  }
  int outcome = is_platform && fails("receive", "platform");
  errno = outcome ? (int)plan.error : saved;
  return outcome;
}

/* The same function in the next library. Looked up once, because a child must not do it between fork(2) and exec(2). */
#define REAL(name)                                                   \
  ({                                                                 \
    static typeof(&name) found;                                      \
    if (!found) found = (typeof(&name))dlsym(RTLD_NEXT, #name);      \
    found;                                                           \
  })

/* Writing */

ssize_t write(int fd, const void *bytes, size_t count) {
  return file_fails("write", fd) ? -1 : REAL(write)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return file_fails("write", fd) ? -1 : REAL(pwrite)(fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  return file_fails("write", fd) ? -1 : REAL(pwrite64)(fd, bytes, count, offset);
}
ssize_t writev(int fd, const struct iovec *pieces, int count) {
  return file_fails("write", fd) ? -1 : REAL(writev)(fd, pieces, count);
}
ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) {
  return file_fails("write", fd) ? -1 : REAL(pwritev)(fd, pieces, count, offset);
}
ssize_t sendfile(int to, int from, off_t *offset, size_t count) {
  return file_fails("write", to) ? -1 : REAL(sendfile)(to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t count) {
  return file_fails("write", to) ? -1 : REAL(sendfile64)(to, from, offset, count);
}
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *target, size_t count, unsigned int flags) {
  return file_fails("write", to) ? -1 : REAL(copy_file_range)(from, at, to, target, count, flags);
}
int ftruncate(int fd, off_t length) { return file_fails("cut", fd) ? -1 : REAL(ftruncate)(fd, length); }
int ftruncate64(int fd, off64_t length) { return file_fails("cut", fd) ? -1 : REAL(ftruncate64)(fd, length); }

/* Making durable */

int fsync(int fd) { return file_fails("fsync", fd) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return file_fails("fsync", fd) ? -1 : REAL(fdatasync)(fd); }

/* Names */

int rename(const char *from, const char *to) { return path_fails("rename", to) ? -1 : REAL(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return path_fails("make", path) ? -1 : REAL(mkdir)(path, mode); }
int unlink(const char *path) { return path_fails("remove", path) ? -1 : REAL(unlink)(path); }

#define OPEN(name)                                                   \
  int name(const char *path, int flags, ...) {                       \
    va_list rest;                                                    \
    va_start(rest, flags);                                           \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                    \
    return path_fails("open", path) ? -1 : REAL(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

/* Reading. Sockets and files are read with the same calls. */

static int reading_fails(int fd) { return connection_fails(fd) || file_fails("load", fd); }

ssize_t read(int fd, void *bytes, size_t count) { return reading_fails(fd) ? -1 : REAL(read)(fd, bytes, count); }
ssize_t readv(int fd, const struct iovec *pieces, int count) {
  return reading_fails(fd) ? -1 : REAL(readv)(fd, pieces, count);
}
ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
  return file_fails("load", fd) ? -1 : REAL(pread)(fd, bytes, count, offset);
}
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  return file_fails("load", fd) ? -1 : REAL(preadv2)(fd, parts, count, offset, flags);
}
ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  return file_fails("load", fd) ? -1 : REAL(pread64)(fd, bytes, count, offset);
}
ssize_t splice(int from, off64_t *at, int to, off64_t *target, size_t count, unsigned int flags) {
  return file_fails("load", from) ? -1 : REAL(splice)(from, at, to, target, count, flags);
}
ssize_t recv(int fd, void *bytes, size_t count, int flags) {
  return connection_fails(fd) ? -1 : REAL(recv)(fd, bytes, count, flags);
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  return connection_fails(fd) ? -1 : REAL(recvmsg)(fd, message, flags);
}

/* The clock */

int clock_gettime(clockid_t clock, struct timespec *time) {
  int outcome = (int)syscall(SYS_clock_gettime, clock, time);
  if (outcome == 0 && clock == CLOCK_REALTIME) time->tv_sec += number_of("FAULTY_CLOCK");
  return outcome;
}

/* Queries */

const char *sqlite3_sql(void *statement);

/* Whether SQLite calls by itself, as full-text search does; it takes the result of such a statement from sqlite3_reset. */
static int is_inner(void *caller) {
  Dl_info inner, outer;
  return dladdr(caller, &inner) && dladdr((void *)sqlite3_sql, &outer) && inner.dli_fbase == outer.dli_fbase;
}

int sqlite3_step(void *statement) {
  const char *sql = is_ours() && !is_inner(__builtin_return_address(0)) ? sqlite3_sql(statement) : NULL;
  if (sql && strncasecmp(sql, "ROLLBACK", 8) != 0) {
    char start[64];
    snprintf(start, sizeof start, "%.60s", sql);
    for (char *c = start; *c; c++)
      if (*c == '\n') *c = ' ';
    if (fails("query", start)) return (int)plan.error;
  }
  return REAL(sqlite3_step)(statement);
}
