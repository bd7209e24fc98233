import Glibc

/// The hard limits of this process, which no child can exceed. `UInt64.max` means unlimited.
struct MachineLimits: Sendable {
  var cpuSeconds: UInt64
  var addressSpaceBytes: UInt64
  var fileBytes: UInt64

  static var current: MachineLimits {
    MachineLimits(
      cpuSeconds: hardLimit(RLIMIT_CPU), addressSpaceBytes: hardLimit(RLIMIT_AS), fileBytes: hardLimit(RLIMIT_FSIZE))
  }

  private static func hardLimit(_ resource: __rlimit_resource) -> UInt64 {
    var limit = rlimit()
    return getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0 ? UInt64(limit.rlim_max) : .max
  }
}
