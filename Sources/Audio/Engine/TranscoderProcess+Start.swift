import CTranscoder
import Foundation
import Glibc
import Model
import SystemPackage

extension TranscoderProcess {
  /// Starts a transcoder, and returns when it is ready. Takes about 0.1 s.
  ///
  /// - Parameter patience: how long a cancelled conversion may take to end, before the transcoder is killed.
  /// - Throws: `ffmpegMissing`; `internalError` when the machine lacks memory or processes.
  static func start(
    _ program: FilePath, isDumpable: Bool, environment: [String: String], patience: Duration
  ) async throws(TapedeckError) -> TranscoderProcess {
    let started: Result<TranscoderProcess, TapedeckError> = await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        do throws(TapedeckError) {
          let messages = try makePipe()
          let (processID, socket) = try spawn(
            program, isDumpable: isDumpable, environment: environment, messages: messages)
          let protections: TranscoderProtections
          do throws(TapedeckError) { protections = try awaitReady(socket, messages) } catch {
            end(processID, socket)
            throw error
          }
          let process = TranscoderProcess(socket: socket, processID: processID, protections: protections)
          continuation.resume(returning: .success(process))
          process.serve(patience: patience)
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
    }
    return try started.get()
  }

  private static func makePipe() throws(TapedeckError) -> ConversionPipe {
    do { return try ConversionPipe() } catch { throw cannotStart("no pipe can be created: \(error)") }
  }

  /// - Parameter messages: receives what the process writes before it is ready.
  private static func spawn(
    _ program: FilePath, isDumpable: Bool, environment: [String: String], messages: ConversionPipe
  ) throws(TapedeckError) -> (processID: pid_t, socket: CInt) {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw cannotStart("no socket can be created: \(Errno(rawValue: errno))")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, messages.writing.number, STDERR_FILENO)
    // Libraries open sockets and pipes that a child would keep open.
    posix_spawn_file_actions_addclosefrom_np(&actions, 3)
    // A process group of its own: Ctrl-C in a terminal is for Tapedeck, which ends the transcoder after its conversions
    // have been released.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
    let texts: [String] = ["tapedeck-transcoder"] + (isDumpable ? ["--dumpable"] : [])
    let arguments = texts.map { strdup($0) }
    let variables = environment.map { strdup("\($0)=\($1)") }
    defer { for text in arguments + variables { free(text) } }
    var processID: pid_t = 0
    let code = posix_spawn(&processID, program.string, &actions, &attributes, arguments + [nil], variables + [nil])
    close(ends[1])
    messages.writing.close()
    if code == 0 { return (processID, ends[0]) }
    close(ends[0])
    let text = "\(program) cannot be executed: \(Errno(rawValue: code))"
    throw code == EAGAIN || code == ENOMEM ? cannotStart(text) : TapedeckError(.ffmpegMissing, detail: text)
  }

  /// Waits for the first message of a new process.
  private static func awaitReady(
    _ socket: CInt, _ messages: ConversionPipe
  ) throws(TapedeckError) -> TranscoderProtections {
    guard isReadable(socket, within: .seconds(10)) else { throw cannotStart("it was not ready within 10 s") }
    guard let reply = receive(socket), reply.kind == REPLY_READY.rawValue else {
      // Usually it has ended, after a message of its own or of the dynamic linker.
      _ = fcntl(messages.reading.number, F_SETFL, O_NONBLOCK)
      let text = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
        String(
          decoding: buffer[..<max(0, read(messages.reading.number, buffer.baseAddress, buffer.count))], as: UTF8.self)
      }
      throw text.contains("Cannot allocate memory") ? cannotStart(text) : TapedeckError(.ffmpegMissing, detail: text)
    }
    guard Int(reply.status) == PROTOCOL_VERSION else {
      throw TapedeckError(
        .ffmpegMissing, "The installed transcoder belongs to another version of Tapedeck. Restart Tapedeck.")
    }
    let version = withUnsafeBytes(of: reply.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    return TranscoderProtections(
      ffmpegVersion: version, landlock: Int(clamping: reply.numbers.0), hasSeccomp: reply.numbers.1 == 1)
  }

  /// Describes the machine and not the recording.
  private static func cannotStart(_ detail: String) -> TapedeckError {
    TapedeckError(
      .internalError, "The transcoder could not be started. The conversion will be retried; the log has the reason.",
      detail: detail)
  }
}
