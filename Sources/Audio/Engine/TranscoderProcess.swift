import CTranscoder
import Glibc
import Model
import Synchronization
import SystemPackage

/// How the process of a conversion ended.
enum ConversionEnd: Sendable, Equatable {
  case exited(Int32)
  case signaled(Int32)
  /// It could not be started.
  case refused(Errno)
  /// The transcoder was terminated, and the conversion with it.
  case lost
}

/// A running transcoder. A thread of its own reads the replies until the process ends, and then reaps it.
///
/// Conversions never outlive the process: it ends when Tapedeck's end of the socket is closed, and the system kills its
/// children with it.
final class TranscoderProcess: Sendable {
  struct State {
    var waiting: [UInt64: CheckedContinuation<ConversionEnd, Never>] = [:]
    /// When conversions were cancelled that have not ended.
    var cancelled: [UInt64: ContinuousClock.Instant] = [:]
    /// Callers between `take()` and `release()`.
    var users = 0
    var hasCrashed = false
    /// Whether the process ends with its last user.
    var isRetired = false
    /// Whether the process has ended or is about to.
    var isOver = false
  }

  let socket: CInt
  let processID: pid_t
  let protections: TranscoderProtections
  let state = Mutex(State())
  private let since = ContinuousClock.now

  init(socket: CInt, processID: pid_t, protections: TranscoderProtections) {
    self.socket = socket
    self.processID = processID
    self.protections = protections
  }

  /// Reserves the process, which then does not retire before `release()`. False when another one must be started:
  /// libraries on disk may be newer than those of an old process.
  func take() -> Bool {
    state.withLock { state in
      guard !state.isOver, !state.isRetired, !state.hasCrashed, ContinuousClock.now - since < .seconds(3600) else {
        return false
      }
      state.users += 1
      return true
    }
  }

  func release() {
    state.withLock { state in
      state.users -= 1
      endIfIdle(state)
    }
  }

  /// Makes the process end when its last user has released it. Can be called again.
  func retire() {
    state.withLock { state in
      state.isRetired = true
      endIfIdle(state)
    }
  }

  private func endIfIdle(_ state: borrowing State) {
    if state.isRetired, !state.isOver, state.users == 0 { _ = shutdown(socket, CInt(SHUT_RDWR)) }
  }

  // MARK: Conversions

  /// Runs a conversion and returns how it ended, also when the task is cancelled. Closes the descriptors.
  func run(_ request: CTranscoder.request, with descriptors: [OwnedDescriptor]) async -> ConversionEnd {
    await withCheckedContinuation { continuation in
      let failure: ConversionEnd? = state.withLock { state in
        if state.isOver { return .lost }
        if let error = send(request, descriptors.map(\.number)) {
          return error == .brokenPipe ? .lost : .refused(error)
        }
        state.waiting[request.id] = continuation
        return nil
      }
      for descriptor in descriptors { descriptor.close() }
      if let failure {
        continuation.resume(returning: failure)
      } else if Task.isCancelled {
        // Before this, there was nothing to cancel.
        cancel(request.id)
      }
    }
  }

  /// Kills a conversion; does nothing when it has ended or has not begun.
  func cancel(_ id: UInt64) {
    state.withLock { state in
      guard state.waiting[id] != nil, state.cancelled[id] == nil, !state.isOver else { return }
      state.cancelled[id] = .now
      var request = CTranscoder.request()
      request.kind = REQUEST_CANCEL.rawValue
      request.id = id
      // The process is reaped only after `isOver` is set, so the number is still its own.
      if send(request, []) != nil { kill(processID, SIGKILL) }
    }
  }

  /// Why the process accepts no request; nil when it has been sent.
  private func send(_ request: CTranscoder.request, _ descriptors: [CInt]) -> Errno? {
    let sent = withUnsafePointer(to: request) { send_request(socket, $0, descriptors, descriptors.count) }
    return sent < 0 ? Errno(rawValue: errno) : nil
  }

  // MARK: Replies

  /// Reads replies until the process ends, sends an invalid one, or does not end a cancelled conversion in time; then
  /// ends the process and resumes all waiting callers.
  func serve(patience: Duration) {
    var isServing = true
    while isServing {
      if Self.isReadable(socket, within: patience) { isServing = Self.receive(socket).map(take) ?? false }
      let oldest = state.withLock { $0.cancelled.values.min() }
      if let oldest, .now - oldest > patience { isServing = false }
    }
    state.withLock { $0.isOver = true }
    Self.end(processID, socket)
    let waiting = state.withLock { state in
      defer { state.waiting = [:] }
      return Array(state.waiting.values)
    }
    for continuation in waiting { continuation.resume(returning: .lost) }
  }

  static func isReadable(_ socket: CInt, within limit: Duration) -> Bool {
    var event = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    return poll(&event, 1, CInt(min(limit.inSeconds, 1e6) * 1000)) > 0
  }

  /// Nil at the end of the socket and for a malformed reply.
  static func receive(_ socket: CInt) -> CTranscoder.reply? {
    var reply = CTranscoder.reply()
    let count = withUnsafeMutableBytes(of: &reply) { recv(socket, $0.baseAddress, $0.count, CInt(MSG_TRUNC)) }
    return count == MemoryLayout<CTranscoder.reply>.size ? reply : nil
  }

  /// False for a reply that does not fit the state.
  private func take(_ reply: CTranscoder.reply) -> Bool {
    let end: ConversionEnd
    switch reply.kind {
    case REPLY_ENDED.rawValue: end = reply.status < 0 ? .signaled(0 &- reply.status) : .exited(reply.status)
    case REPLY_REFUSED.rawValue: end = .refused(Errno(rawValue: reply.status))
    default: return false
    }
    let waiting = state.withLock { state in
      // All children have the same memory layout, so an attacker who crashed one must not get a second try at it.
      if case .signaled(let signal) = end, signal != SIGKILL { state.hasCrashed = true }
      state.cancelled[reply.id] = nil
      return state.waiting.removeValue(forKey: reply.id)
    }
    waiting?.resume(returning: end)
    return waiting != nil
  }

  /// Kills and reaps a process, and closes the socket to it.
  static func end(_ processID: pid_t, _ socket: CInt) {
    kill(processID, SIGKILL)
    while waitpid(processID, nil, 0) < 0, errno == EINTR {}
    close(socket)
  }
}
