import SystemPackage

/// How FFmpeg is started for a conversion.
package enum FFmpegStart: Sendable, Equatable, CustomStringConvertible {
  /// Linked once and forked for each recording, which saves the linking time, a quarter of a short conversion.
  case forked
  /// Started as a new process for each recording.
  case spawned(because: String)

  package var description: String {
    switch self {
    case .forked: "FFmpeg is linked once and forked for each recording"
    case .spawned(let reason): "FFmpeg is started as a new process for each recording, because \(reason)"
    }
  }
}

/// Keeps a linked FFmpeg that can be forked; replaces it when it has died, reached its maximum age or number of forks,
/// or when the program on disk has changed. Without it FFmpeg has to be spawned.
actor FFmpegLauncher {
  /// Limits after which a working launcher is replaced: its children share one memory layout, and libraries on disk may
  /// be newer.
  private static let maxForks: UInt64 = 1000
  private static let maxAge: Duration = .seconds(3600)
  /// The maximum delay before the next start after consecutive failures.
  private static let maxRetryDelay: Duration = .seconds(600)

  private let library: FilePath?
  private let environment: [String: String]
  private let replyTimeout: Duration
  private let onChange: @Sendable (FFmpegStart) -> Void
  private var current: (process: LauncherProcess, files: LauncherFiles)?
  private var starting: Task<Result<LauncherProcess, LauncherProcess.Unavailable>, Never>?
  private var failure: (reason: String, count: Int, until: ContinuousClock.Instant)?
  private var reported: FFmpegStart?

  /// - Parameters:
  ///   - library: the library to preload into FFmpeg; nil where there is none.
  ///   - onChange: called with the way FFmpeg is started, at first and after every change.
  init(
    library: FilePath?, environment: [String: String], replyTimeout: Duration = .seconds(10),
    onChange: @escaping @Sendable (FFmpegStart) -> Void
  ) {
    self.library = library
    self.environment = environment
    self.replyTimeout = replyTimeout
    self.onChange = onChange
  }

  deinit { current?.process.retire() }

  /// A launcher for this program; takes about 0.1 s when it has to be started, otherwise a few microseconds.
  ///
  /// - Throws: why FFmpeg has to be spawned this time.
  func process(for program: FilePath) async throws(LauncherProcess.Unavailable) -> LauncherProcess {
    do throws(LauncherProcess.Unavailable) {
      let process = try await find(program)
      report(.forked)
      return process
    } catch {
      report(.spawned(because: error.reason))
      throw error
    }
  }

  private func find(_ program: FilePath) async throws(LauncherProcess.Unavailable) -> LauncherProcess {
    guard let library else { throw LauncherProcess.Unavailable("the launcher's library is not installed") }
    let files = try LauncherFiles(program: program, library: library)
    if let (process, served) = current {
      let isFresh = process.forks < Self.maxForks && ContinuousClock.now - process.since < Self.maxAge
      if process.isServing, isFresh, files == served { return process }
      if process.hasDied { delayRetry(because: "its launcher has died", after: ContinuousClock.now - process.since) }
      process.retire()
      current = nil
    }
    if let starting { return try await starting.value.get() }
    if let failure, ContinuousClock.now < failure.until { throw LauncherProcess.Unavailable(failure.reason) }
    let task = Task { await start(files) }
    starting = task
    return try await task.value.get()
  }

  private func start(_ files: LauncherFiles) async -> Result<LauncherProcess, LauncherProcess.Unavailable> {
    defer { starting = nil }
    do throws(LauncherProcess.Unavailable) {
      try files.check()
      let process = try await LauncherProcess.start(
        program: files.program, library: files.library, environment: environment, replyTimeout: replyTimeout)
      current = (process, files)
      return .success(process)
    } catch {
      delayRetry(because: error.reason, after: .zero)
      return .failure(error)
    }
  }

  /// Delays the next start after a failure: one second at first, then twice as long each time.
  private func delayRetry(because reason: String, after lifetime: Duration) {
    let count = lifetime < .seconds(60) ? min(10, (failure?.count ?? 0) + 1) : 1
    failure = (reason, count, .now + min(.seconds(1 << (count - 1)), Self.maxRetryDelay))
  }

  private func report(_ start: FFmpegStart) {
    if start != reported { onChange(start) }
    reported = start
  }
}
