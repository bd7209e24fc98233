import Foundation
import Glibc
import Subprocess
import Synchronization
import SystemPackage

extension LauncherProcess {
  /// Starts FFmpeg with the launcher's library preloaded, and returns when it is linked and serves. Takes about 0.1 s.
  static func start(
    program: FilePath, library: FilePath, environment: [String: String], patience: Duration
  ) async throws(Unfit) -> LauncherProcess {
    let started: Result<LauncherProcess, Unfit> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        do throws(Unfit) {
          let launcher = try spawn(
            program: program, library: library, environment: environment, patience: patience)
          do throws(Unfit) { try launcher.greet() } catch {
            launcher.finish()
            throw error
          }
          continuation.resume(returning: .success(launcher))
          launcher.listen()
          launcher.finish()
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try started.get()
  }

  // MARK: Beginning

  private static func spawn(
    program: FilePath, library: FilePath, environment: [String: String], patience: Duration
  ) throws(Unfit) -> LauncherProcess {
    var ends: [CInt] = [-1, -1]
    let kind = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw Unfit("there is no socket for it: \(Errno.current)") }
    defer { close(ends[1]) }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    // A group of its own: Ctrl-C in a terminal is for us, and we end it when the conversions have been handed back.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))

    var variables = environment
    variables["LD_PRELOAD"] = library.string
    variables["TAPEDECK_FFMPEG_LAUNCHER"] = "1"
    // What `ps` shows, for the children too.
    let name = strdup("ffmpeg, linked once for Tapedeck and forked for each recording")
    let words = variables.map { strdup("\($0)=\($1)") }
    defer { for word in words + [name] { free(word) } }
    var processID: pid_t = 0
    let code = posix_spawn(&processID, program.string, &actions, &attributes, [name, nil], words + [nil])
    guard code == 0 else {
      close(ends[0])
      throw Unfit("it cannot be started: \(Errno(rawValue: code))")
    }
    return LauncherProcess(socket: FileDescriptor(rawValue: ends[0]), processID: processID, patience: patience)
  }

  /// Waits for the first word of a new process.
  private func greet() throws(Unfit) {
    guard isReadable(within: patience) else {
      throw Unfit("it was not ready within \(patience.components.seconds) s")
    }
    switch receive() {
    case .ready(version: LauncherReply.version): return
    case .ready: throw Unfit("the installed launcher is of another version of Tapedeck")
    case .unfit(let threads) where threads > 1: throw Unfit("its libraries start threads, which a fork would lose")
    case .unfit: throw Unfit("/proc does not tell whether its libraries start threads")
    default: throw Unfit("it does not take the launcher's library")
    }
  }

  // MARK: Listening

  /// Reads replies until the process ends, says something odd, or does not answer.
  private func listen() {
    while true {
      if isReadable(within: .seconds(5)) {
        guard let reply = receive(), take(reply) else { return }
      } else if let sent = state.withLock({ $0.unanswered.first }), .now - sent > patience {
        return
      }
    }
  }

  private func isReadable(within limit: Duration) -> Bool {
    var event = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&event, 1, CInt(clamping: limit.components.seconds * 1000)) > 0
  }

  /// nil at the end of the socket, and for what is no reply.
  private func receive() -> LauncherReply? {
    withUnsafeTemporaryAllocation(byteCount: 2 * LauncherReply.length, alignment: 8) { buffer in
      let count = recv(socket.rawValue, buffer.baseAddress, buffer.count, 0)
      return count > 0 ? LauncherReply(UnsafeRawBufferPointer(rebasing: buffer[..<count])) : nil
    }
  }

  /// False when the reply makes no sense.
  private func take(_ reply: LauncherReply) -> Bool {
    state.withLock { state in
      switch reply {
      case .forked, .notForked, .killed:
        guard !state.unanswered.isEmpty else { return false }
        state.unanswered.removeFirst()
      case .ready, .unfit, .ended: break
      }
      switch (reply, state.children[reply.id]) {
      case (.forked(let id, let processID), .starting(let continuation)):
        state.children[id] = .running
        continuation.resume(returning: .success(processID))
      case (.notForked(let id, let error), .starting(let continuation)):
        state.children[id] = nil
        continuation.resume(returning: .failure(Unfit("its launcher cannot fork: \(error)")))
      case (.ended(let id, let status), .running):
        state.children[id] = .ended(.success(terminationStatus(status, &state)))
      case (.ended(let id, let status), .awaited(let continuation)):
        state.children[id] = nil
        continuation.resume(returning: .success(terminationStatus(status, &state)))
      case (.killed, _): break
      default: return false
      }
      endIfIdle(state)
      return true
    }
  }

  private func terminationStatus(_ status: Int32, _ state: inout State) -> TerminationStatus {
    let signal = status & 0x7f
    guard signal != 0 else { return .exited(status >> 8 & 0xff) }
    // All children have the same layout of memory. Whoever made one crash gets no second try at it.
    state.isRetired = true
    return .signaled(signal)
  }

  // MARK: End

  /// Ends what is left of the process and tells everybody who waits.
  private func finish() {
    state.withLock { $0.isOver = true }
    Glibc.kill(processID, SIGKILL)
    while waitpid(processID, nil, 0) < 0, errno == EINTR {}
    state.withLock { state in
      for (id, child) in state.children {
        switch child {
        case .starting(let continuation):
          state.children[id] = nil
          continuation.resume(returning: .failure(Unfit("its launcher has just ended")))
        case .running: state.children[id] = .ended(.failure(Gone()))
        case .awaited(let continuation):
          state.children[id] = nil
          continuation.resume(returning: .failure(Gone()))
        case .ended: break
        }
      }
    }
    try? socket.close()
  }
}

extension LauncherReply {
  /// The child that it is about; no child has 0.
  fileprivate var id: UInt64 {
    switch self {
    case .ready, .unfit: 0
    case .forked(let id, _), .notForked(let id, _), .killed(let id), .ended(let id, _): id
    }
  }
}

extension Errno {
  /// Of the call that has just failed.
  fileprivate static var current: Errno { Errno(rawValue: errno) }
}
