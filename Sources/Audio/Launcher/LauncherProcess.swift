import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// A linked, waiting FFmpeg and the children forked from it.
///
/// A dedicated thread reads the process's messages until it ends, and then reaps it. Children never outlive it: it
/// kills them when Tapedeck's end of the socket is closed, and the system kills them when the process itself is killed.
final class LauncherProcess: Sendable {
  /// The launcher was terminated, and its children with it, so their exit status is unknown.
  struct Terminated: Error {}

  /// Why there is no launcher or no child; completes a sentence that ends in "because".
  struct Unavailable: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }
  }

  enum Child {
    case starting(CheckedContinuation<Result<pid_t, Unavailable>, Never>)
    case running
    case awaited(CheckedContinuation<Result<TerminationStatus, Terminated>, Never>)
    case ended(Result<TerminationStatus, Terminated>)
  }

  struct State {
    var children: [UInt64: Child] = [:]
    /// The times of unanswered requests; replies arrive in the order of the requests.
    var unanswered: [ContinuousClock.Instant] = []
    /// The number of requested children, and the ID of the last one.
    var forks: UInt64 = 0
    /// Whether no further child is requested; the process ends with the last one.
    var isRetired = false
    /// Whether the process has ended or is about to; no requests may be sent.
    var isOver = false
  }

  let socket: FileDescriptor
  let processID: pid_t
  /// The maximum time for a reply. No operation of the process takes more than a few milliseconds.
  let replyTimeout: Duration
  let since = ContinuousClock.now
  let state = Mutex(State())

  init(socket: FileDescriptor, processID: pid_t, replyTimeout: Duration) {
    self.socket = socket
    self.processID = processID
    self.replyTimeout = replyTimeout
  }

  /// Whether another child can be forked.
  var isServing: Bool { state.withLock { !$0.isRetired && !$0.isOver } }

  /// Whether it ended without having been retired.
  var hasDied: Bool { state.withLock { $0.isOver && !$0.isRetired } }

  /// The number of requested children.
  var forks: UInt64 { state.withLock { $0.forks } }

  /// Makes the process end with its last child. Can be called again.
  func retire() {
    state.withLock { state in
      state.isRetired = true
      endIfIdle(state)
    }
  }

  /// Forks a child that becomes FFmpeg, with its own copies of FFmpeg's ends of the pipes.
  func fork(_ run: FFmpegRun, pipes: FFmpegPipes) async throws(Unavailable) -> LauncherChild {
    let id = state.withLock { state in
      state.forks += 1
      return state.forks
    }
    guard let request = LauncherRequest.fork(id, run, descriptors: pipes.childs) else {
      throw Unavailable("its arguments do not fit into a request")
    }
    let forked = await withCheckedContinuation { continuation in
      let refused = state.withLock { state -> Unavailable? in
        guard !state.isRetired, !state.isOver else { return Unavailable("its launcher has just ended") }
        do {
          try submit(request, &state)
          state.children[id] = .starting(continuation)
          return nil
        } catch {
          return Unavailable("its launcher accepts no requests: \(error)")
        }
      }
      if let refused { continuation.resume(returning: .failure(refused)) }
    }
    return LauncherChild(launcher: self, id: id, processID: try forked.get())
  }

  /// Kills a child with all processes that it has started; does nothing when it has ended.
  func kill(_ id: UInt64) {
    state.withLock { state in
      switch state.children[id] {
      case nil, .ended: return
      case .starting, .running, .awaited: break
      }
      guard !state.isOver else { return }
      do { try submit(.kill(id), &state) } catch {
        // Terminates the children as well. The process is reaped only after `isOver` is set, so the ID is still its
        // own.
        _ = Glibc.kill(processID, SIGKILL)
      }
    }
  }

  /// Waits until a child has ended, even when the task is cancelled. Called once per child.
  func end(of id: UInt64) async -> Result<TerminationStatus, Terminated> {
    await withCheckedContinuation { continuation in
      let ended = state.withLock { state -> Result<TerminationStatus, Terminated>? in
        switch state.children[id] {
        case .running:
          state.children[id] = .awaited(continuation)
          return nil
        case .ended(let ended):
          state.children[id] = nil
          return ended
        case nil, .starting, .awaited: return .failure(Terminated())
        }
      }
      if let ended { continuation.resume(returning: ended) }
    }
  }

  private func submit(_ request: LauncherRequest, _ state: inout State) throws(Errno) {
    try request.send(to: socket)
    state.unanswered.append(.now)
  }

  /// Ends a retired process without children by closing this end of the socket.
  func endIfIdle(_ state: borrowing State) {
    let isIdle = state.children.values.allSatisfy { if case .ended = $0 { true } else { false } }
    if state.isRetired, !state.isOver, isIdle { shutdown(socket.rawValue, CInt(SHUT_RDWR)) }
  }
}

/// A forked FFmpeg.
struct LauncherChild: Sendable {
  let launcher: LauncherProcess
  let id: UInt64
  let processID: pid_t

  /// Lets `body` communicate over the pipes and kill the child with all processes that it has started. When this
  /// returns or throws, the child has ended; cancelling kills it.
  ///
  /// - Throws: what `body` throws; `LauncherProcess.Terminated`.
  func run<Value: Sendable>(
    _ body: @Sendable @escaping (_ kill: @escaping @Sendable () -> Void) async throws -> Value
  ) async throws -> (status: TerminationStatus, value: Value) {
    let kill: @Sendable () -> Void = { launcher.kill(id) }
    return try await withTaskCancellationHandler {
      let result: Result<Value, any Error>
      do { result = .success(try await body(kill)) } catch {
        kill()
        result = .failure(error)
      }
      let ended = await launcher.end(of: id)
      let value = try result.get()
      return (try ended.get(), value)
    } onCancel: {
      kill()
    }
  }
}
