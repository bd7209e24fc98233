// Preloaded into FFmpeg: links the program once and then forks it for each recording.
//
// FFmpeg depends on about two hundred libraries, and linking them takes a quarter of the processor time of a short
// conversion. This library runs before main(), after linking and all constructors, and serves requests on a socket
// instead. For each one it forks; the child sets its own limits and becomes FFmpeg by calling the real main().
// docs/decisions/0007 gives the reasons; Sources/Audio/Launcher/LauncherMessage.swift is the other side of the socket.
//
// The launcher itself reads only the messages below. Data from outside is read by the children only.

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

// MARK: Messages. One packet each; numbers in the byte order of this machine.

enum { PROTOCOL_VERSION = 1 };
enum { REQUEST_FORK = 1, REQUEST_KILL = 2 };
enum { REPLY_READY = 1, REPLY_UNFIT = 2, REPLY_FORKED = 3, REPLY_NOT_FORKED = 4, REPLY_KILLED = 5, REPLY_ENDED = 6 };

/// A fork request is followed by `argument_count` texts, each ended by a zero byte, and carries three descriptors.
struct request {
  uint32_t kind;
  uint32_t argument_count;
  /// Chosen by the other side; identifies the child in all later messages.
  uint64_t id;
  uint64_t cpu_seconds, address_space_bytes, file_bytes, open_files;
};

struct reply {
  uint32_t kind;
  int32_t value;
  uint64_t id;
};

enum { PACKET_BYTES = 32768, MAX_ARGUMENTS = 255, MAX_CHILDREN = 256, DESCRIPTORS = 3 };

/// The socket replaces standard input, so that its descriptor is known.
enum { SOCKET = 0 };

// MARK: State. No memory is allocated, so that FFmpeg starts in the same state as in a new process.

static struct {
  uint64_t id;
  /// 0 in a free entry.
  pid_t pid;
} children[MAX_CHILDREN];

static union {
  struct request request;
  char bytes[PACKET_BYTES];
} packet;

static char *arguments[MAX_ARGUMENTS + 1];

/// The main() of FFmpeg.
static int (*real_main)(int, char **, char **);

// MARK: Ending

/// Ends the launcher and all children at once, without FFmpeg's exit handlers, which have nothing to clean up here.
static _Noreturn void end(int status) {
  for (size_t place = 0; place < MAX_CHILDREN; place++) {
    if (children[place].pid != 0) kill(-children[place].pid, SIGKILL);
  }
  _exit(status);
}

static void reply(uint32_t kind, int32_t value, uint64_t id) {
  struct reply message = {.kind = kind, .value = value, .id = id};
  ssize_t sent;
  // May block until the other side reads; it sends few requests and reads all replies.
  do { sent = send(SOCKET, &message, sizeof message, MSG_NOSIGNAL); } while (sent < 0 && errno == EINTR);
  if (sent != (ssize_t)sizeof message) end(EXIT_FAILURE);
}

/// Reports children that have ended. They are reaped only here, so the system cannot have reassigned a process ID in
/// the table.
static void reap(void) {
  while (true) {
    siginfo_t ended = {.si_pid = 0};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    // Before the group leader is reaped, because its ID is reserved for the group until then.
    kill(-ended.si_pid, SIGKILL);
    int status = 0;
    if (waitpid(ended.si_pid, &status, 0) != ended.si_pid) end(EXIT_FAILURE);
    for (size_t place = 0; place < MAX_CHILDREN; place++) {
      if (children[place].pid != ended.si_pid) continue;
      children[place].pid = 0;
      reply(REPLY_ENDED, status, children[place].id);
    }
  }
}

static void kill_child(uint64_t id) {
  for (size_t place = 0; place < MAX_CHILDREN; place++) {
    // A missing ID means that the child has already ended.
    if (children[place].pid != 0 && children[place].id == id) kill(-children[place].pid, SIGKILL);
  }
  reply(REPLY_KILLED, 0, id);
}

static void close_all_but_standard(void) {
  if (close_range(3, UINT_MAX, 0) == 0) return;
  // Not available in kernels before 5.9.
  for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
}

// MARK: The child

static _Noreturn void fail(const char *what) {
  // The other side reads standard error as FFmpeg's messages.
  dprintf(STDERR_FILENO, "The launcher of FFmpeg could not %s: %s\n", what, strerror(errno));
  _exit(127);
}

static void limit(int resource, uint64_t most) {
  struct rlimit both;
  if (getrlimit(resource, &both) != 0) fail("read its limits");
  // A process cannot raise a hard limit, so the lower one applies. Both limits are set, so that FFmpeg cannot raise them.
  if (both.rlim_max > most) both.rlim_max = most;
  both.rlim_cur = both.rlim_max;
  if (setrlimit(resource, &both) != 0) fail("set its limits");
}

/// Restores the default action of all signals, whatever the parent process had ignored. By system call, because the C
/// library's functions refuse the two signals that it uses to cancel threads, and exactly these can be left ignored by
/// a parent that uses musl's posix_spawn.
static void reset_signals(void) {
  // The kernel's structure is smaller; all zeros mean SIG_DFL without flags.
  static const unsigned char defaults[64];
  enum { SIGNAL_SET_BYTES = 8 };
  // SIGKILL and SIGSTOP cannot be changed.
  for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, defaults, NULL, SIGNAL_SET_BYTES);
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail("unblock signals");
}

/// Gives the forked process the state of a new one, except for linking. A failure ends it.
static void prepare(pid_t launcher, const int descriptors[DESCRIPTORS]) {
  // A process group of its own, so that it can be killed with all its children. The launcher makes the same call,
  // because either may run first.
  setpgid(0, 0);
  // When the launcher is killed, so is the child. If the launcher is already dead, no signal would arrive.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != launcher) _exit(127);

  // The descriptors are 3 or higher, because 0 to 2 were open when they were received.
  for (int place = 0; place < DESCRIPTORS; place++) {
    if (dup2(descriptors[place], place) < 0) _exit(127);
  }
  // Closes the launcher's descriptors, including the socket, and those of other children.
  close_all_but_standard();

  // Last, because the calls above need more; FFmpeg needs the standard three, the MP3 and some library files.
  limit(RLIMIT_CPU, packet.request.cpu_seconds);
  limit(RLIMIT_AS, packet.request.address_space_bytes);
  limit(RLIMIT_FSIZE, packet.request.file_bytes);
  limit(RLIMIT_NOFILE, packet.request.open_files);
  limit(RLIMIT_CORE, 0);

  reset_signals();
  // The name in `ps` and `top`; the launcher has another one.
  prctl(PR_SET_NAME, "ffmpeg");
}

// MARK: Requests

/// Sets `arguments` to the texts of the packet; false when it is malformed.
static bool read_arguments(size_t length) {
  uint32_t count = packet.request.argument_count;
  if (count < 1 || count > MAX_ARGUMENTS) return false;
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

/// Forks; returns true in the child.
static bool fork_child(const int descriptors[DESCRIPTORS]) {
  uint64_t id = packet.request.id;
  size_t place = 0;
  while (place < MAX_CHILDREN && children[place].pid != 0) place++;
  if (place == MAX_CHILDREN) {
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

/// Receives and executes one request; returns true in a forked child, which then becomes FFmpeg. A malformed request
/// ends the launcher; the other side then starts another one, or FFmpeg without one.
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
  // The other side has closed its end or has died.
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

/// The number of threads of this process; 0 when the system does not report it.
static int count_threads(void) {
  DIR *folder = opendir("/proc/self/task");
  if (folder == NULL) return 0;
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) count += entry->d_name[0] != '.';
  closedir(folder);
  return count;
}

/// Runs in place of main().
static int serve(int argument_count, char **own_arguments, char **environment) {
  (void)argument_count, (void)own_arguments;
  // Received descriptors must not be 0 to 2.
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0 || fcntl(STDERR_FILENO, F_GETFD) < 0) _exit(EXIT_FAILURE);
  // Closes descriptors that were inherited without close-on-exec: in a long-lived process, a copy of a socket would
  // keep its peer from seeing the end.
  close_all_but_standard();
  // A fork copies only the calling thread: a library with other threads would be broken in the child, or hold a lock
  // forever.
  int threads = count_threads();
  if (threads != 1) {
    reply(REPLY_UNFIT, threads, 0);
    _exit(EXIT_FAILURE);
  }
  prctl(PR_SET_NAME, "ffmpeg-launcher");
  // FFmpeg starts no other programs; if it is made to, they gain nothing from a setuid bit. Children inherit this.
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(EXIT_FAILURE);

  // Reports ended children through a descriptor, so that no signal handler interrupts other code.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  // If the parent process ignored SIGCHLD, children could not be waited for.
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
      // Its return value is that of a new FFmpeg; the C library calls the exit handlers.
      return real_main(count, arguments, environment);
    }
  }
}

// MARK: Entry point

/// Called by FFmpeg's first instruction in place of the C library's function of this name, whose signature has never
/// changed (since 2.34 it receives no `init` and no `fini`, and finds them itself). It runs the program's constructors
/// and then the function given as main().
int __libc_start_main(
  int (*main)(int, char **, char **), int argument_count, char **own_arguments, void (*init)(void), void (*fini)(void),
  void (*end_of_linker)(void), void *end_of_stack
) {
  int (*start)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
  // Copied through memory, because ISO C has no cast from an object pointer to a function pointer.
  void *found = dlsym(RTLD_NEXT, "__libc_start_main");
  if (found == NULL) _exit(127);
  memcpy(&start, &found, sizeof start);
  if (getenv(LAUNCHER_VARIABLE) != NULL) {
    // Neither variable is meant for FFmpeg or for programs that it starts.
    unsetenv(LAUNCHER_VARIABLE);
    unsetenv("LD_PRELOAD");
    real_main = main;
    main = serve;
  }
  return start(main, argument_count, own_arguments, init, fini, end_of_linker, end_of_stack);
}
