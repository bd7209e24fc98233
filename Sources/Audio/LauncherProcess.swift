import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// An FFmpeg that is linked and waits, and the children that were forked from it.
///
/// A thread of its own reads what the process says until that ends, and then reaps it. Children never outlive it: it kills
/// them when our end of the socket is closed, and the system kills them when it is killed itself.
final class LauncherProcess: Sendable {
  /// The launcher has died, so nobody knows how its children would have ended. They were killed.
  struct Gone: Error {}

  /// Why there is no launcher, or no child of one: the end of a sentence that begins with "because".
  struct Unfit: Error {
    var reason: String

    init(_ reason: String) { self.reason = reason }
  }

  enum Child {
    case starting(CheckedContinuation<Result<pid_t, Unfit>, Never>)
    case running
    case awaited(CheckedContinuation<Result<TerminationStatus, Gone>, Never>)
    case ended(Result<TerminationStatus, Gone>)
  }

  struct State {
    var children: [UInt64: Child] = [:]
    /// When each request was sent that has no reply yet; replies come in the order of the requests.
    var unanswered: [ContinuousClock.Instant] = []
    /// How many children it was asked for; the next one's id.
    var forks: UInt64 = 0
    /// No further child is wanted, and the process ends with the last one.
    var isRetired = false
    /// The process has ended or is about to, and must not be talked to.
    var isOver = false
  }

  let socket: FileDescriptor
  let processID: pid_t
  /// How long it may take to answer. It does nothing that takes more than some milliseconds.
  let patience: Duration
  let since = ContinuousClock.now
  let state = Mutex(State())

  init(socket: FileDescriptor, processID: pid_t, patience: Duration) {
    self.socket = socket
    self.processID = processID
    self.patience = patience
  }

  /// Whether another child can be had.
  var isServing: Bool { state.withLock { !$0.isRetired && !$0.isOver } }

  /// Whether it ended although nobody wanted that.
  var hasDied: Bool { state.withLock { $0.isOver && !$0.isRetired } }

  /// How many children it was asked for.
  var forks: UInt64 { state.withLock { $0.forks } }

  /// Lets the process end with its last child. Can be called again.
  func retire() {
    state.withLock { state in
      state.isRetired = true
      endIfIdle(state)
    }
  }

  /// Forks a child that becomes FFmpeg with its own copies of FFmpeg's ends of the pipes.
  func fork(_ run: FFmpegRun, pipes: FFmpegPipes) async throws(Unfit) -> LauncherChild {
    let id = state.withLock { state in
      state.forks += 1
      return state.forks
    }
    guard let request = LauncherRequest.fork(id, run, descriptors: pipes.childs) else {
      throw Unfit("its arguments do not fit into a request")
    }
    let forked = await withCheckedContinuation { continuation in
      let refused = state.withLock { state -> Unfit? in
        guard !state.isRetired, !state.isOver else { return Unfit("its launcher has just ended") }
        do {
          try submit(request, &state)
          state.children[id] = .starting(continuation)
          return nil
        } catch {
          return Unfit("its launcher takes no requests: \(error)")
        }
      }
      if let refused { continuation.resume(returning: .failure(refused)) }
    }
    return LauncherChild(launcher: self, id: id, processID: try forked.get())
  }

  /// Kills a child with all that it has started; nothing happens when it has ended.
  func kill(_ id: UInt64) {
    state.withLock { state in
      switch state.children[id] {
      case nil, .ended: return
      case .starting, .running, .awaited: break
      }
      guard !state.isOver else { return }
      do { try submit(.kill(id), &state) } catch {
        // It takes its children along. It is not reaped before it is over, so the id is still its own.
        _ = Glibc.kill(processID, SIGKILL)
      }
    }
  }

  /// Waits until a child has ended, also when the task is cancelled. Called once for each.
  func end(of id: UInt64) async -> Result<TerminationStatus, Gone> {
    await withCheckedContinuation { continuation in
      let ended = state.withLock { state -> Result<TerminationStatus, Gone>? in
        switch state.children[id] {
        case .running:
          state.children[id] = .awaited(continuation)
          return nil
        case .ended(let ended):
          state.children[id] = nil
          return ended
        case nil, .starting, .awaited: return .failure(Gone())
        }
      }
      if let ended { continuation.resume(returning: ended) }
    }
  }

  private func submit(_ request: LauncherRequest, _ state: inout State) throws(Errno) {
    try request.send(to: socket)
    state.unanswered.append(.now)
  }

  /// Ends a retired process that has no children left, by closing our end for good.
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

  /// Lets `body` talk to it over the pipes, and kill it with all that it has started. When this returns or throws, it has
  /// ended; cancelling kills it.
  ///
  /// - Throws: what `body` throws; `LauncherProcess.Gone`.
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
