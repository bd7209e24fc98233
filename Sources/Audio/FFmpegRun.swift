import Subprocess
import SystemPackage

/// One run of FFmpeg's program: what to run, and under which limits.
struct FFmpegRun: Sendable {
  var program: FilePath
  /// Without the program's own name.
  var arguments: [String]
  /// Of the MP3 and of the audio on standard output.
  var channels: Int
  var limits: ConversionLimits
}

/// The three pipes to and from a running FFmpeg.
struct FFmpegPipes: Sendable {
  let input: ChildPipe
  let audio: ChildPipe
  let words: ChildPipe

  /// - Throws: `Errno`.
  init() throws {
    input = try ChildPipe(.toChild, size: 1 << 20)
    do {
      audio = try ChildPipe(.fromChild, size: 1 << 20)
      do { words = try ChildPipe(.fromChild) } catch {
        audio.close()
        throw error
      }
    } catch {
      input.close()
      throw error
    }
  }

  /// FFmpeg's standard input, output and error, in this order.
  var childs: [FileDescriptor] { [input.childs, audio.childs, words.childs] }

  /// Closes FFmpeg's ends here, after it has got them: only then its end is seen at ours.
  func closeChilds() {
    for pipe in [input, audio, words] { pipe.closeChilds() }
  }

  /// Closes what is still open. No thread may be at work any more.
  func close() {
    for pipe in [input, audio, words] { pipe.close() }
  }
}

extension FFmpegRun {
  /// Runs FFmpeg in a process that is started and linked for this run alone; `prlimit` (util-linux) stands in front of it,
  /// sets the limits and then becomes FFmpeg.
  ///
  /// `body` talks to it over the pipes, and may kill it with all that it has started. When this returns or throws, no
  /// process is left; cancelling kills it.
  func startedAnew<Value: Sendable>(
    environment: [String: String], pipes: FFmpegPipes,
    _ body: @Sendable @escaping (_ kill: @escaping @Sendable () -> Void) async throws -> Value
  ) async throws -> (status: TerminationStatus, value: Value) {
    let environment = Environment(only: environment)
    // By its path: a name is tried by forking once for each folder of PATH, which costs more than all else here.
    let name: Executable = .name("prlimit")
    let limiter = try await name.resolveExecutablePath(in: environment)
    let result = try await Subprocess.run(
      .path(limiter), arguments: Arguments(limited + [program.string] + arguments), environment: environment,
      platformOptions: .ownGroup,
      input: .fileDescriptor(pipes.input.childs, closeAfterSpawningProcess: false),
      output: .fileDescriptor(pipes.audio.childs, closeAfterSpawningProcess: false),
      error: .fileDescriptor(pipes.words.childs, closeAfterSpawningProcess: false)
    ) { execution in
      try await body { try? execution.send(signal: .kill, toProcessGroup: true) }
    }
    return (result.terminationStatus, result.closureResult)
  }

  private var limited: [String] {
    [
      "--cpu=\(limits.cpuSeconds)", "--as=\(limits.addressSpaceBytes)", "--fsize=\(limits.outputBytes)",
      "--nofile=\(ConversionLimits.openFiles)", "--core=0", "--",
    ]
  }
}

extension Environment {
  /// These variables and no others.
  init(only variables: [String: String]) {
    var custom: [Key: String] = [:]
    for (name, value) in variables {
      if let key = Key(rawValue: name) { custom[key] = value }
    }
    self = .custom(custom)
  }
}
