// Preloaded into FFmpeg: lets the program be linked once and then forks it for each recording.
//
// FFmpeg depends on some two hundred libraries, and to link them takes a quarter of the processor time of a short
// conversion. This library comes before main(), when all is linked and every constructor has run, and serves requests on
// a socket instead. For each it forks; the child sets its own limits and becomes FFmpeg by calling the real main().
// docs/decisions/0007 says why; Sources/Audio/LauncherMessage.swift is the other end of the socket.
//
// The launcher only ever reads the messages below. What came from outside is read by the children alone.

#define _GNU_SOURCE
#include "launcher.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// MARK: Messages. One packet each; numbers in the order of this machine.

enum { PROTOCOL_VERSION = 1 };
enum { REQUEST_FORK = 1, REQUEST_KILL = 2 };
enum { REPLY_READY = 1, REPLY_UNFIT = 2, REPLY_FORKED = 3, REPLY_NOT_FORKED = 4, REPLY_KILLED = 5, REPLY_ENDED = 6 };

/// A request to fork goes on with `argument_count` texts, each ended by a zero byte, and brings three descriptors.
struct request {
  uint32_t kind;
  uint32_t argument_count;
  /// Chosen by the other side; names the child in all that follows.
  uint64_t id;
  uint64_t cpu_seconds, address_space_bytes, file_bytes, open_files;
};

struct reply {
  uint32_t kind;
  int32_t value;
  uint64_t id;
};

enum { PACKET_BYTES = 32768, MOST_ARGUMENTS = 255, MOST_CHILDREN = 256, DESCRIPTORS = 3 };

/// The socket was put in the place of standard input, so that nothing has to say which descriptor it is.
enum { SOCKET = 0 };

// MARK: State. Nothing is allocated: what is at hand when FFmpeg begins is what a fresh FFmpeg would have.

static struct {
  uint64_t id;
  /// 0 in a free place.
  pid_t pid;
} children[MOST_CHILDREN];

static union {
  struct request request;
  char bytes[PACKET_BYTES];
} packet;

static char *arguments[MOST_ARGUMENTS + 1];

/// The main() of FFmpeg.
static int (*real_main)(int, char **, char **);

// MARK: Ending

/// Ends the launcher and every child at once. Without FFmpeg's exit handlers, which have nothing to clean up here.
static _Noreturn void end(int status) {
  for (size_t place = 0; place < MOST_CHILDREN; place++) {
    if (children[place].pid != 0) kill(-children[place].pid, SIGKILL);
  }
  _exit(status);
}

static void reply(uint32_t kind, int32_t value, uint64_t id) {
  struct reply message = {.kind = kind, .value = value, .id = id};
  ssize_t sent;
  // May wait for the other side to read: it asks for little, and whoever asks is read to.
  do { sent = send(SOCKET, &message, sizeof message, MSG_NOSIGNAL); } while (sent < 0 && errno == EINTR);
  if (sent != (ssize_t)sizeof message) end(EXIT_FAILURE);
}

/// Tells of children that have ended. They are reaped here and nowhere else, so a process id in the table is never one
/// that the system has given to somebody else meanwhile.
static void reap(void) {
  while (true) {
    siginfo_t ended = {.si_pid = 0};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    // Before the group's leader is reaped, because its id names the group until then.
    kill(-ended.si_pid, SIGKILL);
    int status = 0;
    if (waitpid(ended.si_pid, &status, 0) != ended.si_pid) end(EXIT_FAILURE);
    for (size_t place = 0; place < MOST_CHILDREN; place++) {
      if (children[place].pid != ended.si_pid) continue;
      children[place].pid = 0;
      reply(REPLY_ENDED, status, children[place].id);
    }
  }
}

static void kill_child(uint64_t id) {
  for (size_t place = 0; place < MOST_CHILDREN; place++) {
    // An id that is not there has ended already.
    if (children[place].pid != 0 && children[place].id == id) kill(-children[place].pid, SIGKILL);
  }
  reply(REPLY_KILLED, 0, id);
}

static void close_all_but_standard(void) {
  if (close_range(3, UINT_MAX, 0) == 0) return;
  // Kernels before 5.9 do not have it.
  for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
}

// MARK: The child

static _Noreturn void fail(const char *what) {
  // Standard error is read by the other side as FFmpeg's own words.
  dprintf(STDERR_FILENO, "The launcher of FFmpeg could not %s: %s\n", what, strerror(errno));
  _exit(127);
}

static void limit(int resource, uint64_t most) {
  // Both limits, as prlimit does: FFmpeg cannot raise them again.
  struct rlimit both = {.rlim_cur = most, .rlim_max = most};
  if (setrlimit(resource, &both) != 0) fail("set its limits");
}

/// Signals do what they do by default, whatever the one who started us had ignored. By the system call, because the C
/// library's functions refuse the two signals that it cancels threads with, and a musl program that starts others leaves
/// exactly these ignored (its posix_spawn).
static void reset_signals(void) {
  // The kernel's structure is smaller, and all its zeros mean SIG_DFL without flags.
  static const unsigned char defaults[64];
  enum { SIGNAL_SET_BYTES = 8 };
  // SIGKILL and SIGSTOP cannot be changed and have not been.
  for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, defaults, NULL, SIGNAL_SET_BYTES);
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail("unblock signals");
}

/// Makes the forked process what a fresh one would be, except for what is linked. What fails ends it.
static void prepare(pid_t launcher, const int descriptors[DESCRIPTORS]) {
  // A group of its own, so that it is killed with all that it may have started. The launcher does the same, because
  // either may come first.
  setpgid(0, 0);
  // Whoever kills the launcher, kills its children. It may be dead already, then nobody would tell us.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != launcher) _exit(127);

  // They are 3 or higher: 0 to 2 were open when they came.
  for (int place = 0; place < DESCRIPTORS; place++) {
    if (dup2(descriptors[place], place) < 0) _exit(127);
  }
  // The launcher's own descriptors, the socket's included, and those of other children are nothing for this one.
  close_all_but_standard();

  // After what needs more; FFmpeg needs the standard three, the MP3 and some files of its libraries.
  limit(RLIMIT_CPU, packet.request.cpu_seconds);
  limit(RLIMIT_AS, packet.request.address_space_bytes);
  limit(RLIMIT_FSIZE, packet.request.file_bytes);
  limit(RLIMIT_NOFILE, packet.request.open_files);
  limit(RLIMIT_CORE, 0);

  reset_signals();
  // What `ps` and `top` show. The launcher itself has another name.
  prctl(PR_SET_NAME, "ffmpeg");
}

// MARK: Requests

/// Points `arguments` at the texts of the packet; false when it is not as it must be.
static bool read_arguments(size_t length) {
  uint32_t count = packet.request.argument_count;
  if (count < 1 || count > MOST_ARGUMENTS) return false;
  char *text = packet.bytes + sizeof packet.request, *end_of_packet = packet.bytes + length;
  for (uint32_t index = 0; index < count; index++) {
    char *end_of_text = memchr(text, 0, (size_t)(end_of_packet - text));
    if (end_of_text == NULL) return false;
    arguments[index] = text;
    text = end_of_text + 1;
  }
  arguments[count] = NULL;
  return text == end_of_packet;
}

/// Forks; true in the child.
static bool fork_child(const int descriptors[DESCRIPTORS]) {
  uint64_t id = packet.request.id;
  size_t place = 0;
  while (place < MOST_CHILDREN && children[place].pid != 0) place++;
  if (place == MOST_CHILDREN) {
    reply(REPLY_NOT_FORKED, EAGAIN, id);
    return false;
  }
  pid_t launcher = getpid();
  pid_t child = fork();
  if (child == 0) {
    prepare(launcher, descriptors);
    return true;
  }
  if (child < 0) {
    reply(REPLY_NOT_FORKED, errno, id);
    return false;
  }
  setpgid(child, child);
  children[place].id = id;
  children[place].pid = child;
  reply(REPLY_FORKED, child, id);
  return false;
}

/// Receives one request and obeys it; true in a forked child, which then becomes FFmpeg. Anything that is not a request
/// as it must be ends the launcher: the other side starts another, or FFmpeg without one.
static bool receive(void) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
  } control;
  struct iovec space = {.iov_base = packet.bytes, .iov_len = sizeof packet.bytes};
  struct msghdr message = {
    .msg_iov = &space, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t length = recvmsg(SOCKET, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0 && (errno == EINTR || errno == EAGAIN)) return false;
  // The other side has closed its end, or has died.
  if (length == 0) end(EXIT_SUCCESS);
  if (length < (ssize_t)sizeof packet.request || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) end(EXIT_FAILURE);

  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  switch (packet.request.kind) {
  case REQUEST_KILL:
    if (length != (ssize_t)sizeof packet.request || header != NULL) end(EXIT_FAILURE);
    kill_child(packet.request.id);
    return false;
  case REQUEST_FORK: {
    int descriptors[DESCRIPTORS];
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS
        || header->cmsg_len != CMSG_LEN(sizeof descriptors) || !read_arguments((size_t)length)) {
      end(EXIT_FAILURE);
    }
    memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
    if (fork_child(descriptors)) return true;
    for (int index = 0; index < DESCRIPTORS; index++) close(descriptors[index]);
    return false;
  }
  default: end(EXIT_FAILURE);
  }
}

// MARK: Serving

/// How many threads this process has; 0 when the system does not tell.
static int count_threads(void) {
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return 0;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/// Stands in the place of main().
static int serve(int argument_count, char **own_arguments, char **environment) {
  (void)argument_count, (void)own_arguments;
  // Descriptors that come must not land on 0 to 2.
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0 || fcntl(STDERR_FILENO, F_GETFD) < 0) _exit(EXIT_FAILURE);
  // What was open without close-on-exec when we were started: in a process that stays, a copy of somebody's socket would
  // keep its other end from ever seeing the end.
  close_all_but_standard();
  // A fork takes along the thread that calls it and no other: a library that has started one would be broken in the
  // child, or hold a lock for ever.
  int threads = count_threads();
  if (threads != 1) {
    reply(REPLY_UNFIT, threads, 0);
    _exit(EXIT_FAILURE);
  }
  prctl(PR_SET_NAME, "ffmpeg-launcher");
  // FFmpeg starts no other program; if it is made to, that one gains nothing by a setuid bit. Children inherit it.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(EXIT_FAILURE);

  // A child's end is read like a message, so nothing happens in between two lines.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  // Whoever started us may ignore it, and then no child could be waited for.
  signal(SIGCHLD, SIG_DFL);
  int ends = sigprocmask(SIG_BLOCK, &child_ended, NULL) == 0 ? signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
  if (ends < 0) _exit(EXIT_FAILURE);
  reply(REPLY_READY, PROTOCOL_VERSION, 0);

  while (true) {
    struct pollfd events[] = {{.fd = SOCKET, .events = POLLIN}, {.fd = ends, .events = POLLIN}};
    if (poll(events, 2, -1) < 0 && errno != EINTR) end(EXIT_FAILURE);
    if (events[1].revents != 0) {
      struct signalfd_siginfo ignored;
      while (read(ends, &ignored, sizeof ignored) > 0) {}
      reap();
    }
    if (events[0].revents != 0 && receive()) {
      int count = 0;
      while (arguments[count] != NULL) count++;
      // What it returns is what a fresh FFmpeg would end with; the C library calls the exit handlers.
      return real_main(count, arguments, environment);
    }
  }
}

// MARK: The entrance

/// Called by FFmpeg's first instruction instead of the C library's function of this name, whose signature has been the
/// same since its beginning (since 2.34 it gets no `init` and no `fini`, and finds them itself). It runs the constructors
/// of the program and then what it is given as main().
int __libc_start_main(
  int (*main)(int, char **, char **), int argument_count, char **own_arguments, void (*init)(void), void (*fini)(void),
  void (*end_of_linker)(void), void *end_of_stack
) {
  int (*start)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
  // Through memory: ISO C has no cast from an object's address to a function's.
  void *found = dlsym(RTLD_NEXT, "__libc_start_main");
  if (found == NULL) _exit(127);
  memcpy(&start, &found, sizeof start);
  if (getenv(LAUNCHER_VARIABLE) != NULL) {
    // Neither is for FFmpeg, nor for anything that it might start.
    unsetenv(LAUNCHER_VARIABLE);
    unsetenv("LD_PRELOAD");
    real_main = main;
    main = serve;
  }
  return start(main, argument_count, own_arguments, init, fini, end_of_linker, end_of_stack);
}
