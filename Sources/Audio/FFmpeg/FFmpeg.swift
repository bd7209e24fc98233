import Foundation
package import Model
import Subprocess
package import SystemPackage

/// FFmpeg as a separate process: finds it, checks its capabilities, runs it under limits.
///
/// The program must ignore SIGPIPE (`signal(SIGPIPE, SIG_IGN)`), because an FFmpeg that ends early would terminate it.
/// Only `PATH` and `LD_LIBRARY_PATH` of the environment are passed on, because the rest can contain secrets.
///
/// From the first conversion on, a linked FFmpeg waits to be forked for as long as this value or a copy of it exists
/// (docs/decisions/0007).
package struct FFmpeg: Sendable {
  let executable: String
  package let limits: ConversionLimits
  let environment: [String: String]
  let launcher: FFmpegLauncher

  /// - Parameters:
  ///   - executable: a path, or a name that is searched in `PATH`.
  ///   - library: the library that makes FFmpeg forkable; nil to start a new FFmpeg for each conversion.
  ///   - onStart: called with the way FFmpeg is started, at the first conversion and after every change.
  package init(
    executable: String = "ffmpeg", limits: ConversionLimits = ConversionLimits(),
    environment: [String: String] = ProcessInfo.processInfo.environment,
    library: FilePath? = LauncherLibrary.path, onStart: @escaping @Sendable (FFmpegStart) -> Void = { _ in }
  ) {
    self.executable = executable
    self.limits = limits
    // FFmpeg's messages are searched for known failures, so they must be in English.
    var inherited = ["LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"]
    for key in ["PATH", "LD_LIBRARY_PATH"] {
      if let value = environment[key] { inherited[key] = value }
    }
    self.environment = inherited
    launcher = FFmpegLauncher(library: library, environment: inherited, onChange: onStart)
  }

  /// How FFmpeg is started for a conversion, determined by starting it. For `doctor`.
  ///
  /// - Throws: `ffmpegMissing`.
  package func start() async throws(TapedeckError) -> FFmpegStart {
    let program = try await find()
    do throws(LauncherProcess.Unavailable) {
      _ = try await launcher.process(for: program)
      return .forked
    } catch {
      return .spawned(because: error.reason)
    }
  }

  /// The capabilities of the installed FFmpeg, for `doctor`.
  package struct Capabilities: Sendable, Equatable {
    /// As FFmpeg prints it, such as `5.1.9-0+deb12u1`.
    package var version: String
    package var hasLibmp3lame: Bool

    package init(version: String, hasLibmp3lame: Bool) {
      self.version = version
      self.hasLibmp3lame = hasLibmp3lame
    }
  }

  /// Asks the installed FFmpeg for its version and encoders. Takes about 0.1 s.
  ///
  /// - Throws: `ffmpegMissing` when there is none, or when its output is not FFmpeg's.
  package func capabilities() async throws(TapedeckError) -> Capabilities {
    let path = try await find()
    let (output, status): (String, TerminationStatus)
    let progress = ProgressWatch()
    progress.resume()
    do {
      (output, status) = try await progress.watching(limit: .seconds(20)) {
        let result = try await run(
          .path(path), arguments: ["-encoders"], environment: Environment(only: environment),
          platformOptions: .ownGroup,
          output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
        return (result.standardError + "\n" + result.standardOutput, result.terminationStatus)
      }
    } catch {
      throw TapedeckError(.ffmpegMissing, "FFmpeg was found but does not run.", detail: "\(error)", cause: error)
    }
    let fields = output.split(separator: "\n").first { $0.hasPrefix("ffmpeg version ") }?.split(separator: " ") ?? []
    guard status.isSuccess, fields.count > 2 else {
      throw TapedeckError(
        .ffmpegMissing, "The program that was found is not FFmpeg.",
        detail: "\(status): \(output.suffix(400))")
    }
    let encoders = output.split(separator: "\n").map { $0.split(separator: " ").prefix(2) }
    return Capabilities(version: String(fields[2]), hasLibmp3lame: encoders.contains { $0.last == "libmp3lame" })
  }

  /// The path of FFmpeg.
  ///
  /// - Throws: `ffmpegMissing`.
  func find() async throws(TapedeckError) -> FilePath {
    do {
      let wanted: Executable = executable.contains("/") ? .path(FilePath(executable)) : .name(executable)
      let path = try await wanted.resolveExecutablePath(in: Environment(only: environment))
      var isFolder: ObjCBool = false
      guard FileManager.default.isExecutableFile(atPath: path.string),
        FileManager.default.fileExists(atPath: path.string, isDirectory: &isFolder), !isFolder.boolValue
      else {
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
  /// A separate process group that is killed as a whole, so that no process started by a child outlives it.
  static var ownGroup: PlatformOptions {
    var options = PlatformOptions()
    options.processGroupID = 0
    options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .seconds(1))]
    return options
  }
}
