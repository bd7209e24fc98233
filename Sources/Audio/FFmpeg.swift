import Foundation
package import Model
import Subprocess
package import SystemPackage

/// FFmpeg as a separate process: finds it, asks what it can do, runs it under limits.
///
/// The program must ignore SIGPIPE (`signal(SIGPIPE, SIG_IGN)`), or an FFmpeg that ends early takes it along. The
/// environment is not handed on, because ours may hold secrets: only `PATH` and `LD_LIBRARY_PATH` are.
///
/// From its first conversion on, an FFmpeg that is linked waits to be forked, as long as the value or a copy of it is
/// there (docs/decisions/0007).
package struct FFmpeg: Sendable {
  let executable: String
  package let limits: ConversionLimits
  let environment: [String: String]
  let launcher: FFmpegLauncher

  /// - Parameters:
  ///   - executable: a name that is looked for in `PATH`, or a path.
  ///   - library: what makes FFmpeg forkable; nil: it is started anew for each conversion.
  ///   - onStart: is told how FFmpeg is started, at the first conversion and whenever that changes.
  package init(
    executable: String = "ffmpeg", limits: ConversionLimits = ConversionLimits(),
    environment: [String: String] = ProcessInfo.processInfo.environment,
    library: FilePath? = LauncherLibrary.path, onStart: @escaping @Sendable (FFmpegStart) -> Void = { _ in }
  ) {
    self.executable = executable
    self.limits = limits
    // FFmpeg's words are searched for known failures, so they must be English.
    var handedOn = ["LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"]
    for key in ["PATH", "LD_LIBRARY_PATH"] {
      if let value = environment[key] { handedOn[key] = value }
    }
    self.environment = handedOn
    launcher = FFmpegLauncher(library: library, environment: handedOn, onChange: onStart)
  }

  /// How FFmpeg is started for a conversion, for `doctor`; tries it out.
  ///
  /// - Throws: `ffmpegMissing`.
  package func start() async throws(TapedeckError) -> FFmpegStart {
    let program = try await find()
    do throws(LauncherProcess.Unfit) {
      _ = try await launcher.process(for: program)
      return .forked
    } catch {
      return .anew(because: error.reason)
    }
  }

  /// What an installed FFmpeg can do, for `doctor`.
  package struct Capabilities: Sendable, Equatable {
    /// As FFmpeg says it, such as `5.1.9-0+deb12u1`.
    package var version: String
    package var hasLibmp3lame: Bool

    package init(version: String, hasLibmp3lame: Bool) {
      self.version = version
      self.hasLibmp3lame = hasLibmp3lame
    }
  }

  /// Asks the installed FFmpeg for its version and its encoders. Takes about 0.1 s.
  ///
  /// - Throws: `ffmpegMissing` when there is none, or when it does not answer like FFmpeg.
  package func capabilities() async throws(TapedeckError) -> Capabilities {
    let path = try await find()
    let (said, status): (String, TerminationStatus)
    let progress = ProgressWatch()
    progress.resume()
    do {
      (said, status) = try await progress.watching(limit: .seconds(20)) {
        let result = try await run(
          .path(path), arguments: ["-encoders"], environment: Environment(only: environment),
          platformOptions: .ownGroup,
          output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
        return (result.standardError + "\n" + result.standardOutput, result.terminationStatus)
      }
    } catch {
      throw TapedeckError(.ffmpegMissing, "FFmpeg was found, but does not run.", detail: "\(error)", cause: error)
    }
    let words = said.split(separator: "\n").first { $0.hasPrefix("ffmpeg version ") }?.split(separator: " ") ?? []
    guard status.isSuccess, words.count > 2 else {
      throw TapedeckError(
        .ffmpegMissing, "FFmpeg was found, but does not answer as FFmpeg does.",
        detail: "\(status): \(said.suffix(400))")
    }
    let encoders = said.split(separator: "\n").map { $0.split(separator: " ").prefix(2) }
    return Capabilities(version: String(words[2]), hasLibmp3lame: encoders.contains { $0.last == "libmp3lame" })
  }

  /// Where FFmpeg is.
  ///
  /// - Throws: `ffmpegMissing`.
  func find() async throws(TapedeckError) -> FilePath {
    do {
      let wanted: Executable = executable.contains("/") ? .path(FilePath(executable)) : .name(executable)
      let path = try await wanted.resolveExecutablePath(in: Environment(only: environment))
      guard FileManager.default.isExecutableFile(atPath: path.string) else {
        throw TapedeckError(.ffmpegMissing, detail: "\(path.string) cannot be executed")
      }
      return path
    } catch let error as TapedeckError {
      throw error
    } catch {
      throw TapedeckError(.ffmpegMissing, detail: "looked for '\(executable)': \(error)", cause: error)
    }
  }
}

extension PlatformOptions {
  /// A process group of its own that is killed as a whole, so that nothing a child has started outlives it.
  static var ownGroup: PlatformOptions {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
    return options
  }
}
