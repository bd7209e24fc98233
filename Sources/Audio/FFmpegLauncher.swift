import SystemPackage

/// How FFmpeg is started for a recording.
package enum FFmpegStart: Sendable, Equatable, CustomStringConvertible {
  /// It is linked once and forked for each recording, which saves the quarter of a short conversion that linking takes.
  case forked
  /// It is started anew for each recording.
  case anew(because: String)

  package var description: String {
    switch self {
    case .forked: "FFmpeg is linked once and forked for each recording"
    case .anew(let reason): "FFmpeg is started anew for each recording, because \(reason)"
    }
  }
}

/// Keeps an FFmpeg that is linked and can be forked; replaces it when it has died, is worn out, or has another program on
/// disk behind it. Without one, FFmpeg has to be started anew.
actor FFmpegLauncher {
  /// When a launcher is replaced that works: children share its layout of memory, and libraries on disk may be newer.
  private static let mostForks: UInt64 = 1000
  private static let mostAge: Duration = .seconds(3600)
  /// The longest time without another try, after failures in a row.
  private static let longestRest: Duration = .seconds(600)

  private let library: FilePath?
  private let environment: [String: String]
  private let patience: Duration
  private let onChange: @Sendable (FFmpegStart) -> Void
  private var current: (process: LauncherProcess, files: LauncherFiles)?
  private var starting: Task<Result<LauncherProcess, LauncherProcess.Unfit>, Never>?
  private var failure: (reason: String, count: Int, until: ContinuousClock.Instant)?
  private var told: FFmpegStart?

  /// - Parameters:
  ///   - library: what is preloaded into FFmpeg; nil where there is none.
  ///   - onChange: is told how FFmpeg is started, at first and whenever that changes.
  init(
    library: FilePath?, environment: [String: String], patience: Duration = .seconds(10),
    onChange: @escaping @Sendable (FFmpegStart) -> Void
  ) {
    self.library = library
    self.environment = environment
    self.patience = patience
    self.onChange = onChange
  }

  deinit { current?.process.retire() }

  /// A launcher of this program; takes about 0.1 s when it has to be started, otherwise some microseconds.
  ///
  /// - Throws: why FFmpeg has to be started anew this time.
  func process(for program: FilePath) async throws(LauncherProcess.Unfit) -> LauncherProcess {
    do throws(LauncherProcess.Unfit) {
      let process = try await find(program)
      tell(.forked)
      return process
    } catch {
      tell(.anew(because: error.reason))
      throw error
    }
  }

  private func find(_ program: FilePath) async throws(LauncherProcess.Unfit) -> LauncherProcess {
    guard let library else { throw LauncherProcess.Unfit("the launcher's library is not installed") }
    let files = try LauncherFiles(program: program, library: library)
    if let (process, served) = current {
      let isFresh = process.forks < Self.mostForks && ContinuousClock.now - process.since < Self.mostAge
      if process.isServing, isFresh, files == served { return process }
      if process.hasDied { rest(because: "its launcher has died", after: ContinuousClock.now - process.since) }
      process.retire()
      current = nil
    }
    if let starting { return try await starting.value.get() }
    if let failure, ContinuousClock.now < failure.until { throw LauncherProcess.Unfit(failure.reason) }
    let task = Task { await start(files) }
    starting = task
    return try await task.value.get()
  }

  private func start(_ files: LauncherFiles) async -> Result<LauncherProcess, LauncherProcess.Unfit> {
    defer { starting = nil }
    do throws(LauncherProcess.Unfit) {
      try files.check()
      let process = try await LauncherProcess.start(
        program: files.program, library: files.library, environment: environment, patience: patience)
      current = (process, files)
      return .success(process)
    } catch {
      rest(because: error.reason, after: .zero)
      return .failure(error)
    }
  }

  /// Leaves a launcher alone that fails: for a second at first, then twice as long each time.
  private func rest(because reason: String, after lifetime: Duration) {
    let count = lifetime < .seconds(60) ? min(10, (failure?.count ?? 0) + 1) : 1
    failure = (reason, count, .now + min(.seconds(1 << (count - 1)), Self.longestRest))
  }

  private func tell(_ start: FFmpegStart) {
    if start != told { onChange(start) }
    told = start
  }
}
