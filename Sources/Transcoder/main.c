// Converts recordings for Tapedeck. Links FFmpeg's libraries once and then forks for each conversion, because linking
// takes as long as converting a minute of audio. This process reads only Tapedeck's messages. Its children read
// recordings, each in a sandbox of its own.
#include "transcoder.h"
#ifdef TRANSCODER_PROBE
#include TRANSCODER_PROBE
#endif

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { SOCKET = 0, RECEIVED = 3, MAX_CHILDREN = 256 };

/// The running conversions; `process` is 0 in a free entry.
static struct child { uint64_t id; pid_t process; } children[MAX_CHILDREN];
static struct protections protections;
extern char **environ;

/// The entry with this process, or with 0 a free one; NULL when there is none.
static struct child *find(pid_t process) {
  for (struct child *child = children; child < children + MAX_CHILDREN; child++) {
    if (child->process == process) return child;
  }
  return NULL;
}

/// Kills the conversion with this id. Ended children are reaped in `reap` only, so that the number is still theirs.
static void cancel(uint64_t id) {
  for (struct child *child = children; child < children + MAX_CHILDREN; child++) {
    if (child->process != 0 && child->id == id) kill(child->process, SIGKILL);
  }
}

/// Conversions end with this process, see `run_child`.
static void send_reply(struct reply reply) {
  if (send(SOCKET, &reply, sizeof reply, MSG_NOSIGNAL) != (ssize_t)sizeof reply) _exit(EXIT_FAILURE);
}

/// Reports the conversions that have ended.
static void reap(void) {
  int status;
  struct rusage usage;
  for (pid_t process; (process = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
    struct child *child = find(process);
    child->process = 0;
    uint64_t seconds = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    uint64_t microseconds = (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    int ended = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    uint64_t memory = (uint64_t)usage.ru_maxrss << 10;
    send_reply((struct reply){REPLY_ENDED, ended, child->id, {seconds * 1000000 + microseconds, memory}, ""});
  }
}

static _Noreturn void run_child(pid_t parent, const struct request *request, const int received[RECEIVED]) {
  // Ends with its parent. If that has already ended, no signal comes.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(EXIT_UNREPORTED);
  // The received descriptors are 4 or higher: 0 to 2 were open, and the next one is that of the signals.
  if (dup2(received[0], INPUT) < 0 || dup2(received[1], OUTPUT) < 0 || dup2(received[2], REPORT) < 0
      || dup2(open("/dev/null", O_WRONLY), MESSAGES) < 0 || close_range(REPORT + 1, ~0U, 0) != 0) {
    _exit(EXIT_UNREPORTED);
  }
  // A library may handle signals of crashes, with system calls that the sandbox forbids.
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  collect_messages();
  struct stat facts;
  bool is_file = fstat(INPUT, &facts) == 0 && S_ISREG(facts.st_mode);
  struct source source = {.file_bytes = is_file ? facts.st_size : -1};
#ifdef TRANSCODER_PROBE
  probe(request, &protections);
#endif
  enter_sandbox(protections, request);
#ifdef TRANSCODER_PROBE
  probe_sandbox(request);
#endif
  convert(&source, request);
}

static void start_child(const struct request *request, const int received[RECEIVED]) {
  struct child *child = find(0);
  pid_t parent = getpid(), process = -1;
  errno = EAGAIN;
  if (child != NULL) process = fork();
  if (process == 0) run_child(parent, request, received);
  if (process > 0) *child = (struct child){request->id, process};
  else send_reply((struct reply){REPLY_REFUSED, errno, request->id, {0, 0}, ""});
  for (int place = 0; place < RECEIVED; place++) close(received[place]);
}

/// Executes the next request. A malformed one is an error of Tapedeck, and ends the transcoder.
static void receive(void) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(RECEIVED * sizeof(int))];
  } control;
  struct request request;
  struct iovec space = {.iov_base = &request, .iov_len = sizeof request};
  struct msghdr message = {
    .msg_iov = &space, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t length = recvmsg(SOCKET, &message, MSG_CMSG_CLOEXEC);
  // Tapedeck has closed the socket or has ended.
  if (length == 0) _exit(EXIT_SUCCESS);
  if (length != (ssize_t)sizeof request || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) _exit(EXIT_FAILURE);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  bool has_descriptors = header != NULL && header->cmsg_type == SCM_RIGHTS
                         && header->cmsg_len == CMSG_LEN(RECEIVED * sizeof(int));
  if (request.kind == REQUEST_CANCEL && header == NULL) cancel(request.id);
  else if (request.kind == REQUEST_CONVERT && has_descriptors) start_child(&request, (const int *)CMSG_DATA(header));
  else _exit(EXIT_FAILURE);
}

static _Noreturn void give_up(const char *reason) {
  fprintf(stderr, "tapedeck-transcoder: %s\n", reason);
  exit(EXIT_FAILURE);
}

int main(int argument_count, char **arguments) {
  int type = 0;
  socklen_t length = sizeof type;
  if (getsockopt(SOCKET, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET) {
    give_up("This program is started by Tapedeck, with a socket of type SOCK_SEQPACKET as its standard input.");
  }
  while (fcntl(STDERR_FILENO, F_GETFD) < 0 && open("/dev/null", O_RDWR) >= 0) {}
  // A folder has two links more than folders in it; here, these are the threads.
  struct stat threads;
  if (stat("/proc/self/task", &threads) != 0 || threads.st_nlink != 3) {
    give_up("A library has started threads, which a fork would lose.");
  }
  if (avcodec_find_encoder_by_name(MP3_ENCODER) == NULL) give_up("FFmpeg's libraries have no MP3 encoder (libmp3lame).");
  bool is_dumpable = argument_count > 1 && strcmp(arguments[1], "--dumpable") == 0;
  if (!is_dumpable && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) give_up("Memory dumps cannot be prevented.");

  // The environment may contain secrets, and children inherit the memory that it is in.
  for (char **variable = environ; *variable != NULL; variable++) explicit_bzero(*variable, strlen(*variable));
  clearenv();
  // Reads the file of the time zone, which the C library does when FFmpeg first formats a date.
  tzset();

  // Reports ended children through a descriptor, so that no signal handler interrupts other code. If the parent process
  // ignored the signal, children could not be waited for.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  signal(SIGCHLD, SIG_DFL);
  sigprocmask(SIG_BLOCK, &child_ended, NULL);
  int ends = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK);
  if (ends < 0) give_up("Signals cannot be received.");

  protections = find_protections();
  struct reply ready = {REPLY_READY, PROTOCOL_VERSION, 0, {(uint64_t)protections.landlock, protections.seccomp}, ""};
  snprintf(ready.text, sizeof ready.text, "%s", av_version_info());
  send_reply(ready);
  while (true) {
    struct pollfd events[] = {{.fd = SOCKET, .events = POLLIN}, {.fd = ends, .events = POLLIN}};
    poll(events, 2, -1);
    struct signalfd_siginfo ignored;
    while (read(ends, &ignored, sizeof ignored) > 0) {}
    reap();
    if (events[0].revents != 0) receive();
  }
}
