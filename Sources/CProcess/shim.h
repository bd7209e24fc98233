#include <malloc.h>
#include <sys/prctl.h>

/// Forbids other processes of the same user to examine this one, and core dumps. Swift cannot call `prctl`.
static inline int forbid_memory_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
