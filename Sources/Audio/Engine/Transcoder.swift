import Foundation
import Glibc
package import Model
package import SystemPackage

/// What a started transcoder says about its FFmpeg and about the sandbox of its conversions.
package struct TranscoderProtections: Sendable, Equatable, CustomStringConvertible {
  /// Such as `5.1.9-0+deb12u1`.
  package var ffmpegVersion: String
  /// The version of Landlock's interface; 0 where the kernel has none.
  package var landlock: Int
  package var hasSeccomp: Bool

  /// Protections that this system does not offer; nil when there are none.
  package var missing: String? {
    let names = (hasSeccomp ? [] : ["seccomp"]) + (landlock > 0 ? [] : ["Landlock"])
    return names.isEmpty ? nil : names.joined(separator: " and ")
  }

  package var description: String {
    let active = (hasSeccomp ? ["seccomp"] : []) + (landlock > 0 ? ["Landlock \(landlock)"] : [])
    let sandbox = active.isEmpty ? "resource limits only" : active.joined(separator: ", ")
    return "FFmpeg \(ffmpegVersion), sandbox: \(sandbox)" + (missing.map { " (this kernel has no \($0))" } ?? "")
  }
}

/// Converts recordings with FFmpeg's libraries, each in a sandboxed process of its own (docs/decisions/0014).
///
/// `tapedeck-transcoder` (`Sources/Transcoder`) links the libraries once and forks for each conversion. It is started
/// by `start()` or the first conversion, and ends with this value. The next conversion replaces it when it has died,
/// when a conversion has crashed, and after an hour.
///
/// This program must ignore SIGPIPE (`signal(SIGPIPE, SIG_IGN)`): a conversion that ends early would terminate it.
package actor Transcoder {
  package nonisolated let limits: ConversionLimits
  private let program: FilePath?
  private let requiresSandbox: Bool
  private let isDumpable: Bool
  private let environment: [String: String]
  private let patience: Duration
  private let onStart: @Sendable (TranscoderProtections) -> Void
  private var current: TranscoderProcess?
  private var starting: Task<Result<TranscoderProcess, TapedeckError>, Never>?
  private var reported: TranscoderProtections?

  /// - Parameters:
  ///   - program: the path of `tapedeck-transcoder`; nil when it is not installed.
  ///   - requiresSandbox: whether conversions fail where the kernel lacks a protection.
  ///   - isDumpable: whether other processes of the same user may examine the transcoder.
  ///   - environment: only `LD_LIBRARY_PATH` is passed on, because the rest can contain secrets.
  ///   - patience: how long a cancelled conversion may take to end, before the transcoder is killed.
  ///   - onStart: called with the protections, at the first start and when they have changed.
  package init(
    program: FilePath? = Transcoder.installed, limits: ConversionLimits = ConversionLimits(),
    requiresSandbox: Bool = false, isDumpable: Bool = false,
    environment: [String: String] = ProcessInfo.processInfo.environment, patience: Duration = .seconds(10),
    onStart: @escaping @Sendable (TranscoderProtections) -> Void = { _ in }
  ) {
    self.program = program
    self.limits = limits
    self.requiresSandbox = requiresSandbox
    self.isDumpable = isDumpable
    // Messages of the dynamic linker are searched for known failures, so they must be in English.
    self.environment = environment.filter { $0.key == "LD_LIBRARY_PATH" }.merging(["LC_ALL": "C"]) { $1 }
    self.patience = patience
    self.onStart = onStart
  }

  deinit { current?.retire() }

  /// The installed transcoder: next to the running program, where the build puts it, or in `../lib/tapedeck`, where
  /// `make install` does. Nil when it is in neither.
  package static let installed: FilePath? = {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    let folder = FilePath(String(cString: program)).removingLastComponent()
    let places = [folder, folder.removingLastComponent().appending("lib").appending("tapedeck")]
    return places.map { $0.appending("tapedeck-transcoder") }.first { access($0.string, X_OK) == 0 }
  }()

  /// Starts the transcoder unless it is running. For `doctor` and the start of a node.
  ///
  /// - Throws: `ffmpegMissing` when it is not installed or lacks libraries; `configurationInvalid` when a required
  ///   protection is missing; `internalError` when the machine lacks memory or processes.
  package func start() async throws(TapedeckError) -> TranscoderProtections {
    let process = try await takeProcess()
    defer { process.release() }
    return process.protections
  }

  /// A running transcoder, which the caller must release.
  ///
  /// - Throws: the errors of `start()`.
  func takeProcess() async throws(TapedeckError) -> TranscoderProcess {
    if let current, current.take() { return current }
    let task = starting ?? Task { await startProcess() }
    starting = task
    let process = try await task.value.get()
    guard process.take() else { throw TapedeckError(.internalError, detail: "the transcoder ended at its start") }
    return process
  }

  private func startProcess() async -> Result<TranscoderProcess, TapedeckError> {
    defer { starting = nil }
    current?.retire()
    current = nil
    do throws(TapedeckError) {
      guard let program else {
        throw TapedeckError(
          .ffmpegMissing, detail: "there is no tapedeck-transcoder beside tapedeck or in ../lib/tapedeck")
      }
      let process = try await TranscoderProcess.start(
        program, isDumpable: isDumpable, environment: environment, patience: patience)
      if requiresSandbox, let missing = process.protections.missing {
        process.retire()
        throw TapedeckError(
          .configurationInvalid,
          "TAPEDECK_TRANSCODER_SANDBOX is 'required', but the kernel of this machine has no \(missing).")
      }
      if process.protections != reported { onStart(process.protections) }
      reported = process.protections
      current = process
      return .success(process)
    } catch {
      return .failure(error)
    }
  }
}
