// Tries what a conversion must not be able to do. Included by main.c in a build for the tests (test_sandbox.py).
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FLAG_WITHOUT_SECCOMP = 1U << 31 };

static pid_t probe_parent;

static void probe(const struct request *request, struct protections *protections) {
  probe_parent = getppid();
  if (request->flags & (uint32_t)FLAG_WITHOUT_SECCOMP) protections->seccomp = false;
}

static int probe_connect(int family) {
  int descriptor = socket(family, SOCK_STREAM, 0);
  if (descriptor < 0) return -1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  // ECONNREFUSED shows that the request was allowed.
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0 || errno == ECONNREFUSED) return 0;
  return -1;
}

/// Writes to every number that a descriptor can have, except for those that a conversion writes to.
static int probe_descriptors(void) {
  char byte = 0;
  for (int descriptor = 0; descriptor < 4096; descriptor++) {
    bool is_own = descriptor == OUTPUT || descriptor == MESSAGES || descriptor == REPORT;
    if (!is_own && write(descriptor, &byte, 1) == 1) return 0;
  }
  return -1;
}

/// Calls the kernel as a program for another architecture, whose call 10 is `unlink` and here is the allowed `mprotect`.
static int probe_other_architecture(void) {
#ifdef __x86_64__
  long result = 10;
  __asm__ volatile("int $0x80" : "+a"(result) : "b"(0L), "c"(0L), "d"(0L) : "memory");
  return (int)result;
#else
  return syscall(SYS_getpid) > 0 ? 0 : -1;
#endif
}

static int probe_act(const char *action) {
  static char path[4096], stack[65536];
  // The content of the recording is the path of another one.
  if (pread(INPUT, path, sizeof path - 1, 0) < 0) return -1;
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct iovec local = {stack, 8}, remote = {&probe_parent, sizeof probe_parent};
  struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  char *none[] = {NULL};
#define ACTION(name, result) if (strcmp(action, name) == 0) return (int)(result)
  ACTION("open", open(path, O_RDONLY));
  ACTION("create", open("/tmp/created-by-the-probe", O_CREAT | O_WRONLY, 0600));
  ACTION("folder", open("/proc/self", O_RDONLY | O_DIRECTORY));
  ACTION("make-folder", mkdir("/tmp/created-by-the-probe", 0700));
  ACTION("remove", unlink(path));
  ACTION("tcp", probe_connect(AF_INET));
  ACTION("unix", socket(AF_UNIX, SOCK_STREAM, 0));
  ACTION("exec", execve("/bin/true", none, none));
  ACTION("exec-input", execveat(INPUT, "", none, none, AT_EMPTY_PATH));
  ACTION("fork", fork());
  ACTION("vfork", syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof stack, NULL, NULL, NULL));
  ACTION("thread", syscall(SYS_clone3, NULL, 0));
  ACTION("descriptors", probe_descriptors());
  ACTION("duplicate", dup(INPUT));
  ACTION("read-output", read(OUTPUT, path, 1));
  ACTION("read-report", read(REPORT, path, 1));
  ACTION("signal", kill(probe_parent, SIGUSR1));
  // Only asks whether a signal could be sent.
  ACTION("no-signal", kill(probe_parent, 0));
  ACTION("signal-all", kill(-1, 0));
  ACTION("trace", ptrace(PTRACE_ATTACH, probe_parent, NULL, NULL));
  ACTION("memory", process_vm_readv(probe_parent, &local, 1, &remote, 1, 0));
  ACTION("code", mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
  ACTION("make-code", mprotect(page, 4096, PROT_READ | PROT_EXEC));
  ACTION("memory-file", syscall(SYS_memfd_create, "x", 0));
  ACTION("ring", syscall(SYS_io_uring_setup, 1, NULL));
  ACTION("limits", setrlimit(RLIMIT_CPU, &unlimited));
  ACTION("dumpable", prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
  ACTION("is-dumpable", prctl(PR_GET_DUMPABLE) == 1 ? 0 : -1);
  ACTION("sleep", syscall(SYS_futex, page, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0));
  ACTION("architecture", probe_other_architecture());
  return 0;
}

static void probe_sandbox(const struct request *request) {
  char action[sizeof request->demuxer + 1] = "";
  memcpy(action, request->demuxer, sizeof request->demuxer);
  int result = probe_act(action);
  if (result >= 0) fail(STAGE_OPEN, 0, "allowed");
  fail(STAGE_OPEN, AVERROR(errno), "refused");
}
