import Foundation
import Glibc
import Subprocess
import Synchronization
import SystemPackage

extension LauncherProcess {
  /// Starts FFmpeg with the launcher's library preloaded, and returns when it is linked and ready. Takes about 0.1 s.
  static func start(
    program: FilePath, library: FilePath, environment: [String: String], replyTimeout: Duration
  ) async throws(Unavailable) -> LauncherProcess {
    let started: Result<LauncherProcess, Unavailable> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        do throws(Unavailable) {
          let launcher = try spawn(
            program: program, library: library, environment: environment, replyTimeout: replyTimeout)
          do throws(Unavailable) { try launcher.awaitReady() } catch {
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

  // MARK: Start

  private static func spawn(
    program: FilePath, library: FilePath, environment: [String: String], replyTimeout: Duration
  ) throws(Unavailable) -> LauncherProcess {
    var ends: [CInt] = [-1, -1]
    let kind = CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw Unavailable("no socket can be created for it: \(Errno.current)")
    }
    defer { close(ends[1]) }

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    // A process group of its own: Ctrl-C in a terminal is for Tapedeck, which ends FFmpeg after its conversions have
    // been released.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))

    var variables = environment
    variables["LD_PRELOAD"] = library.string
    variables["TAPEDECK_FFMPEG_LAUNCHER"] = "1"
    // The name in the output of `ps`, also of its children.
    let name = strdup("ffmpeg, linked once for Tapedeck and forked for each recording")
    let assignments = variables.map { strdup("\($0)=\($1)") }
    defer { for text in assignments + [name] { free(text) } }
    var processID: pid_t = 0
    let code = posix_spawn(
      &processID, program.string, &actions, &attributes, [name, nil], assignments + [nil])
    guard code == 0 else {
      close(ends[0])
      throw Unavailable("it cannot be started: \(Errno(rawValue: code))")
    }
    return LauncherProcess(
      socket: FileDescriptor(rawValue: ends[0]), processID: processID, replyTimeout: replyTimeout)
  }

  /// Waits for the first message of a new process.
  private func awaitReady() throws(Unavailable) {
    guard isReadable(within: replyTimeout) else {
      throw Unavailable("it was not ready within \(replyTimeout.components.seconds) s")
    }
    switch receive() {
    case .ready(version: LauncherReply.version): return
    case .ready: throw Unavailable("the installed launcher belongs to another version of Tapedeck")
    case .unfit(let threads) where threads > 1:
      throw Unavailable("its libraries start threads, which a fork would lose")
    case .unfit: throw Unavailable("/proc does not show whether its libraries start threads")
    default: throw Unavailable("it does not load the launcher's library")
    }
  }

  // MARK: Listening

  /// Reads replies until the process ends, sends an invalid reply, or does not answer.
  private func listen() {
    while true {
      if isReadable(within: .seconds(5)) {
        guard let reply = receive(), take(reply) else { return }
      } else if let sent = state.withLock({ $0.unanswered.first }), .now - sent > replyTimeout {
        return
      }
    }
  }

  private func isReadable(within limit: Duration) -> Bool {
    var event = pollfd(fd: socket.rawValue, events: Int16(POLLIN), revents: 0)
    return poll(&event, 1, CInt(clamping: limit.components.seconds * 1000)) > 0
  }

  /// Nil at the end of the socket and for a malformed reply.
  private func receive() -> LauncherReply? {
    withUnsafeTemporaryAllocation(byteCount: 2 * LauncherReply.length, alignment: 8) { buffer in
      let count = recv(socket.rawValue, buffer.baseAddress, buffer.count, 0)
      return count > 0 ? LauncherReply(UnsafeRawBufferPointer(rebasing: buffer[..<count])) : nil
    }
  }

  /// False for a reply that does not fit the state.
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
        continuation.resume(returning: .failure(Unavailable("its launcher cannot fork: \(error)")))
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
    // All children have the same memory layout, so an attacker who crashed one must not get a second try at it.
    state.isRetired = true
    return .signaled(signal)
  }

  // MARK: End

  /// Ends the process and resumes all waiting callers.
  private func finish() {
    state.withLock { $0.isOver = true }
    Glibc.kill(processID, SIGKILL)
    while waitpid(processID, nil, 0) < 0, errno == EINTR {}
    state.withLock { state in
      for (id, child) in state.children {
        switch child {
        case .starting(let continuation):
          state.children[id] = nil
          continuation.resume(returning: .failure(Unavailable("its launcher has just ended")))
        case .running: state.children[id] = .ended(.failure(Terminated()))
        case .awaited(let continuation):
          state.children[id] = nil
          continuation.resume(returning: .failure(Terminated()))
        case .ended: break
        }
      }
    }
    try? socket.close()
  }
}

extension LauncherReply {
  /// The child that the reply concerns; 0 for none.
  fileprivate var id: UInt64 {
    switch self {
    case .ready, .unfit: 0
    case .forked(let id, _), .notForked(let id, _), .killed(let id), .ended(let id, _): id
    }
  }
}

extension Errno {
  /// The error of the last system call.
  fileprivate static var current: Errno { Errno(rawValue: errno) }
}
