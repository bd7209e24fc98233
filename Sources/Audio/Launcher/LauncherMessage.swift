import Glibc
import SystemPackage

/// A request to the launcher. The other side is `Sources/FFmpegLauncher/launcher.c`, which documents each field.
struct LauncherRequest {
  private static let packetBytes = 32768
  private static let maxArguments = 255

  private(set) var bytes: [UInt8]
  /// FFmpeg's standard input, output and error.
  private(set) var descriptors: [FileDescriptor] = []

  /// Forks a child that becomes FFmpeg; nil when the arguments are too long for a packet or contain a zero byte.
  static func fork(_ id: UInt64, _ run: FFmpegRun, descriptors: [FileDescriptor]) -> LauncherRequest? {
    let texts = [run.program.string] + run.arguments
    let limits = run.limits
    guard texts.count <= maxArguments, texts.allSatisfy({ !$0.utf8.contains(0) }),
      let cpu = UInt64(exactly: limits.cpuSeconds), let memory = UInt64(exactly: limits.addressSpaceBytes),
      let output = UInt64(exactly: limits.outputBytes)
    else { return nil }
    var request = LauncherRequest(
      kind: 1, argumentCount: UInt32(texts.count), id: id,
      limits: [cpu, memory, output, UInt64(ConversionLimits.openFiles)])
    for text in texts { request.bytes += Array(text.utf8) + [0] }
    request.descriptors = descriptors
    return request.bytes.count <= packetBytes ? request : nil
  }

  /// Kills a child with all processes that it has started.
  static func kill(_ id: UInt64) -> LauncherRequest {
    LauncherRequest(kind: 2, argumentCount: 0, id: id, limits: [0, 0, 0, 0])
  }

  private init(kind: UInt32, argumentCount: UInt32, id: UInt64, limits: [UInt64]) {
    bytes = []
    for number in [kind, argumentCount] { withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) } }
    for number in [id] + limits { withUnsafeBytes(of: number) { bytes.append(contentsOf: $0) } }
  }

  /// Sends the request to a non-blocking socket.
  ///
  /// - Throws: `Errno`.
  func send(to socket: FileDescriptor) throws(Errno) {
    let rights = descriptors.map(\.rawValue)
    let headerBytes = MemoryLayout<cmsghdr>.size
    let sent = bytes.withUnsafeBytes { bytes in
      withUnsafeTemporaryAllocation(byteCount: headerBytes + 64, alignment: MemoryLayout<cmsghdr>.alignment) {
        control in
        // Swift has no equivalent of the C macros that build control messages.
        var length = headerBytes
        rights.withUnsafeBytes { rights in
          length += rights.count
          var header = cmsghdr()
          header.cmsg_len = length
          header.cmsg_level = SOL_SOCKET
          header.cmsg_type = CInt(SCM_RIGHTS)
          control.baseAddress?.storeBytes(of: header, as: cmsghdr.self)
          UnsafeMutableRawBufferPointer(rebasing: control[headerBytes..<length]).copyMemory(from: rights)
        }
        let alignment = MemoryLayout<Int>.alignment
        var space = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        return withUnsafeMutablePointer(to: &space) { space in
          var message = msghdr()
          message.msg_iov = space
          message.msg_iovlen = 1
          if !rights.isEmpty {
            message.msg_control = control.baseAddress
            message.msg_controllen = (length + alignment - 1) / alignment * alignment
          }
          return sendmsg(socket.rawValue, &message, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
        }
      }
    }
    if sent != bytes.count { throw sent < 0 ? Errno(rawValue: errno) : .ioError }
  }
}

/// A reply of the launcher.
enum LauncherReply: Equatable {
  /// The protocol version, which both sides must have in common.
  static let version: Int32 = 1

  case ready(version: Int32)
  /// FFmpeg's libraries have started threads, which a fork would lose. 0 when the system does not report the number.
  case unfit(threads: Int32)
  case forked(UInt64, pid_t)
  case notForked(UInt64, Errno)
  case killed(UInt64)
  /// The status as `waitpid` returns it.
  case ended(UInt64, waitStatus: Int32)

  static let length = 16

  /// Nil for malformed replies.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.length else { return nil }
    let value = bytes.loadUnaligned(fromByteOffset: 4, as: Int32.self)
    let id = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    switch bytes.loadUnaligned(as: UInt32.self) {
    case 1: self = .ready(version: value)
    case 2: self = .unfit(threads: value)
    case 3: self = .forked(id, value)
    case 4: self = .notForked(id, Errno(rawValue: value))
    case 5: self = .killed(id)
    case 6: self = .ended(id, waitStatus: value)
    default: return nil
    }
  }
}
