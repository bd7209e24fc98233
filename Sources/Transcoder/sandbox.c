// What a conversion may do: read the recording, write the MP3 and the report, use memory, and end. Recordings come from
// outside, and one of them may exploit an error in FFmpeg.
#include "transcoder.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/// The allowed system calls: those whose argument with this number, masked, has this value. Others kill the process.
static const struct { uint32_t call, argument, mask, value; } allowed[] = {
  {SYS_read, 0, ~0U, INPUT},       // a recording that is still being downloaded comes through a pipe
  {SYS_pread64, 0, ~0U, INPUT},    // a complete recording is a file
  {SYS_pwrite64, 0, ~0U, OUTPUT},  // the MP3; the header at its start is written last
  {SYS_write, 0, 0, 0},            // the report, and messages of libraries
  {SYS_brk, 0, 0, 0},              // malloc
  {SYS_mmap, 2, PROT_EXEC, 0},     // malloc of large areas, never for code
  {SYS_mprotect, 2, PROT_EXEC, 0}, // malloc enlarges an area
  {SYS_mremap, 0, 0, 0},           // realloc of large areas
  {SYS_munmap, 0, 0, 0},           // free of large areas
  {SYS_madvise, 0, 0, 0},          // malloc returns unused pages
  {SYS_futex, 1, ~0U, FUTEX_WAKE | FUTEX_PRIVATE_FLAG}, // a lock is released; with one thread, nothing ever waits
  {SYS_clock_gettime, 0, 0, 0},    // the time, on machines where the C library needs the kernel for it
  {SYS_exit_group, 0, 0, 0},       // the end of the process
};

#if defined(__x86_64__)
enum { ARCHITECTURE = AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = AUDIT_ARCH_AARCH64 };
#else
#error "The table of system calls has been checked for x86_64 and aarch64 only."
#endif

static int filter_system_calls(void) {
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offset))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, (count))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
  enum { HEAD = 5, RULE = 7, RULES = sizeof allowed / sizeof *allowed };
  struct sock_filter program[HEAD + RULE * RULES + 1] = {
    // A process can use another architecture, where the numbers mean other calls.
    LOAD(offsetof(struct seccomp_data, arch)), SKIP_UNLESS(ARCHITECTURE, 1), BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(offsetof(struct seccomp_data, nr)),
    [HEAD + RULE * RULES] = RETURN(SECCOMP_RET_KILL_PROCESS)};
  for (size_t rule = 0; rule < RULES; rule++) {
    struct sock_filter part[RULE] = {
      SKIP_UNLESS(allowed[rule].call, RULE - 1),
      // The lower half, because both architectures are little-endian; the kernel ignores the upper one.
      LOAD(offsetof(struct seccomp_data, args) + 8 * allowed[rule].argument),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, allowed[rule].mask), SKIP_UNLESS(allowed[rule].value, 1),
      RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_KILL_PROCESS)};
    memcpy(program + HEAD + RULE * rule, part, sizeof part);
  }
  struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

/// With Landlock, forbids all files, TCP and, from version 6 on, signals to other processes: no rule permits any.
static int forbid_files(int version) {
  // Debian 12's headers do not define all rights. Older kernels accept unknown fields that are zero.
  uint64_t files = version >= 5 ? 0xFFFF : version >= 3 ? 0x7FFF : version >= 2 ? 0x3FFF : 0x1FFF;
  uint64_t handled[] = {files, version >= 4 ? 3 : 0, version >= 6 ? 3 : 0};
  int rules = (int)syscall(SYS_landlock_create_ruleset, handled, sizeof handled, 0);
  if (rules < 0 || syscall(SYS_landlock_restrict_self, rules, 0) != 0) return -1;
  return close(rules);
}

struct protections find_protections(void) {
  enum { GET_VERSION = 1 };
  long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  bool seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  return (struct protections){.landlock = version > 0 ? (int)version : 0, .seccomp = seccomp};
}

static void require(int result, const char *what) {
  if (result != 0) fail(STAGE_SANDBOX, AVERROR(errno), "The sandbox cannot be established (%s)", what);
}

/// Lower hard limits of the machine stay in force.
static void limit(int resource, uint64_t value, const char *what) {
  struct rlimit limit;
  require(getrlimit(resource, &limit), what);
  limit.rlim_cur = limit.rlim_max = FFMIN(limit.rlim_max, value);
  require(setrlimit(resource, &limit), what);
}

void enter_sandbox(struct protections protections, const struct request *limits) {
  // Ends the process with SIGKILL.
  limit(RLIMIT_CPU, limits->cpu_seconds, "processor time");
  limit(RLIMIT_AS, limits->memory_bytes, "memory");
  limit(RLIMIT_FSIZE, limits->output_bytes, "output");
  limit(RLIMIT_NPROC, 0, "processes");
  limit(RLIMIT_CORE, 0, "core dumps");
  require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  if (protections.landlock > 0) require(forbid_files(protections.landlock), "Landlock");
  // Landlock needed a descriptor.
  limit(RLIMIT_NOFILE, REPORT + 1, "descriptors");
  if (protections.seccomp) require(filter_system_calls(), "seccomp");
}
