import Subprocess
import SystemPackage

/// The program, arguments and limits of one FFmpeg run.
struct FFmpegRun: Sendable {
  var program: FilePath
  /// Without the program name.
  var arguments: [String]
  /// Channels of the MP3 and of the audio on standard output.
  var channels: Int
  var limits: ConversionLimits
}

/// The three pipes to and from a running FFmpeg.
struct FFmpegPipes: Sendable {
  let input: ChildPipe
  let audio: ChildPipe
  let messages: ChildPipe

  /// - Throws: `Errno`.
  init() throws {
    input = try ChildPipe(.toChild, size: 1 << 20)
    do {
      audio = try ChildPipe(.fromChild, size: 1 << 20)
      do { messages = try ChildPipe(.fromChild) } catch {
        audio.close()
        throw error
      }
    } catch {
      input.close()
      throw error
    }
  }

  /// FFmpeg's standard input, output and error, in this order.
  var childs: [FileDescriptor] { [input.childs, audio.childs, messages.childs] }

  /// Closes this process's copies of FFmpeg's ends after FFmpeg has inherited them; otherwise its exit would not be
  /// seen.
  func closeChilds() {
    for pipe in [input, audio, messages] { pipe.closeChilds() }
  }

  /// Closes what is still open. No thread may use the pipes any more.
  func close() {
    for pipe in [input, audio, messages] { pipe.close() }
  }
}

extension FFmpegRun {
  /// Runs FFmpeg in a new process. `prlimit` (util-linux) sets the limits and then executes FFmpeg.
  ///
  /// `body` communicates over the pipes, and may kill FFmpeg with all its children. When this returns or throws, no
  /// process is left; cancelling kills it.
  func spawn<Value: Sendable>(
    environment: [String: String], pipes: FFmpegPipes,
    _ body: @Sendable @escaping (_ kill: @escaping @Sendable () -> Void) async throws -> Value
  ) async throws -> (status: TerminationStatus, value: Value) {
    let environment = Environment(only: environment)
    // By its path: resolving a name forks once per folder of PATH, the largest cost here.
    let name: Executable = .name("prlimit")
    let limiter = try await name.resolveExecutablePath(in: environment)
    let result = try await Subprocess.run(
      .path(limiter), arguments: Arguments(limited + [program.string] + arguments), environment: environment,
      platformOptions: .ownGroup,
      input: .fileDescriptor(pipes.input.childs, closeAfterSpawningProcess: false),
      output: .fileDescriptor(pipes.audio.childs, closeAfterSpawningProcess: false),
      error: .fileDescriptor(pipes.messages.childs, closeAfterSpawningProcess: false)
    ) { execution in
      try await body { try? execution.send(signal: .kill, toProcessGroup: true) }
    }
    return (result.terminationStatus, result.closureResult)
  }

  private var limited: [String] {
    // A process cannot raise a hard limit, so the lower one applies.
    let machine = MachineLimits.current
    return [
      "--cpu=\(min(UInt64(limits.cpuSeconds), machine.cpuSeconds))",
      "--as=\(min(UInt64(limits.addressSpaceBytes), machine.addressSpaceBytes))",
      "--fsize=\(min(UInt64(limits.outputBytes), machine.fileBytes))",
      "--nofile=\(min(UInt64(ConversionLimits.openFiles), machine.openFiles))", "--core=0", "--",
    ]
  }
}

extension Environment {
  /// An environment with only these variables.
  init(only variables: [String: String]) {
    var custom: [Key: String] = [:]
    for (name, value) in variables {
      if let key = Key(rawValue: name) { custom[key] = value }
    }
    self = .custom(custom)
  }
}

/// The last bytes of a stream of any length.
struct Tail: Sendable {
  let limit: Int
  private var bytes: [UInt8] = []

  init(limit: Int) { self.limit = limit }

  mutating func append(_ more: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: more.suffix(limit))
    if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
  }

  /// The kept bytes as text.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}
