import Audio
import Foundation
import Model
import SystemPackage
import Testing

/// Two minutes of silence: half of it is more than a conversion needs to begin.
private let silence = WAVBytes.telephone(dataSize: 2_000_000, audio: 2_000_000)
/// Half an hour of silence, whose conversion takes long enough to be observed.
private let long = WAVBytes.telephone(dataSize: 30_000_000, audio: 30_000_000)
private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

/// Processes of the transcoder: how many there are, and what remains of them.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct TranscoderLifeTests {
  init() { ignoreBrokenPipes }

  /// Dumpable, so that its descriptors can be looked at.
  private func transcoder(
    _ limits: ConversionLimits = ConversionLimits(), patience: Duration = .seconds(10)
  ) -> Transcoder {
    Transcoder(limits: limits, isDumpable: true, patience: patience)
  }

  /// Converts a recording whose second half is sent after `body` has examined the conversion that waits for it.
  private func convert(
    _ bytes: [UInt8], with transcoder: Transcoder, in folder: FilePath,
    _ body: (RunningProcess) async throws -> Void = { _ in }
  ) async throws -> Conversion {
    let recording = HalfRecording(bytes)
    let mp3 = folder.appending("out-\(UUID().uuidString).mp3")
    let header = try header(of: bytes)
    async let conversion = transcoder.convert(recording.input, header: header, to: mp3)
    try await body(try await writer(of: mp3))
    recording.finish()
    return try await conversion
  }

  @Test func `one transcoder serves many conversions at once and ends when it is no longer needed`() async throws {
    try await Scratch.with { folder in
      var transcoder: Transcoder? = self.transcoder()
      let header = try header(of: silence)
      let recordings = (0..<20).map { _ in HalfRecording(silence) }
      let process = try await withThrowingTaskGroup(of: Int64.self) { group in
        for (number, recording) in recordings.enumerated() {
          guard let transcoder else { break }
          let mp3 = folder.appending("\(number).mp3")
          group.addTask { try await transcoder.convert(recording.input, header: header, to: mp3).samplesAt8kHz }
        }
        var parents: [RunningProcess] = []
        for number in 0..<20 { parents.append(try await writer(of: folder.appending("\(number).mp3")).parent) }
        #expect(parents.allSatisfy { $0 == parents[0] })
        for recording in recordings { recording.finish() }
        for try await frames in group { #expect(frames == 1_000_000) }
        return parents[0]
      }
      #expect(try process.parent.id == getpid())
      transcoder = nil
      _ = try await eventually { process.isGone ? true : nil }
    }
  }

  @Test func `a transcoder and its conversions have their own descriptors only`() async throws {
    try await Scratch.with { folder in
      // Children inherit it.
      let inherited = try FileDescriptor.open("/dev/null", .readOnly)
      defer { try? inherited.close() }
      _ = try await convert(silence, with: transcoder(), in: folder) { process in
        let open = try process.descriptors
        #expect(Set(open.keys) == [0, 1, 2, 3])
        #expect(open[1]?.hasSuffix(".mp3") == true && open[2] == "/dev/null")
        #expect(try process.status["NoNewPrivs"] == "1")
        #expect(try Set(process.parent.descriptors.keys) == [0, 1, 2, 3])
      }
    }
  }

  @Test func `a killed transcoder costs an attempt of each conversion, and is replaced`() async throws {
    try await Scratch.with { folder in
      let transcoder = transcoder()
      var old: RunningProcess?
      let error = await #expect(throws: TapedeckError.self) {
        try await convert(silence, with: transcoder, in: folder) { process in
          old = try process.parent
          process.kill(SIGSTOP)
          try process.parent.kill(SIGKILL)
        }
      }
      #expect(error?.code.remedy == .retry)
      #expect(error?.detail == "the transcoder was killed")
      let next = try await convert(silence, with: transcoder, in: folder) { process in
        let parent = try process.parent
        #expect(parent != old)
      }
      #expect(next.samplesAt8kHz == 1_000_000)
    }
  }

  @Test func `a crashed conversion is recognized, and its transcoder is replaced when the others have ended`()
    async throws
  {
    try await Scratch.with { folder in
      let transcoder = transcoder()
      var old: RunningProcess?
      let other = try await convert(silence, with: transcoder, in: folder) { first in
        old = try first.parent
        let error = await #expect(throws: TapedeckError.self) {
          try await convert(silence, with: transcoder, in: folder) { $0.kill(SIGSEGV) }
        }
        #expect(error?.message == "The conversion crashed (signal 11).")
        _ = try await convert(silence, with: transcoder, in: folder) { process in
          let parent = try process.parent
          #expect(parent != old)
        }
      }
      #expect(other.samplesAt8kHz == 1_000_000)
      let crashed = try #require(old)
      _ = try await eventually { crashed.isGone ? true : nil }
    }
  }

  @Test(arguments: [false, true]) func `a conversion without progress is killed`(isTranscoderStopped: Bool) async throws
  {
    try await Scratch.with { folder in
      let mp3 = folder.appending("out.mp3")
      let header = try header(of: long)
      let transcoder = transcoder(ConversionLimits(timeout: .seconds(3)), patience: .milliseconds(200))
      let task = Task { try await transcoder.convert(pieces(long), header: header, to: mp3) }
      let process = try await writer(of: mp3)
      let parent = try process.parent
      process.kill(SIGSTOP)
      if isTranscoderStopped { parent.kill(SIGSTOP) }
      let error = await #expect(throws: TapedeckError.self) { try await task.value }
      #expect(error?.code == .conversionTimedOut)
      if isTranscoderStopped {
        #expect(parent.isGone)
        // The system reaps the child of a killed process.
        _ = try await eventually { process.isGone ? true : nil }
      } else {
        #expect(process.isGone)
      }
    }
  }

  @Test func `a cancelled conversion leaves no process`() async throws {
    try await Scratch.with { folder in
      let recording = HalfRecording(silence)
      let mp3 = folder.appending("out.mp3")
      let header = try header(of: silence)
      let transcoder = transcoder()
      let task = Task { try await transcoder.convert(recording.input, header: header, to: mp3) }
      let process = try await writer(of: mp3)
      process.kill(SIGSTOP)
      task.cancel()
      let error = await #expect(throws: TapedeckError.self) { try await task.value }
      #expect(error?.code == .interrupted)
      #expect(process.isGone)
    }
  }

  @Test func `a conversion that is cancelled before it begins leaves no process`() async throws {
    try await Scratch.with { folder in
      let transcoder = transcoder()
      _ = try await transcoder.start()
      let header = try header(of: long)
      for number in 0..<50 {
        let mp3 = folder.appending("\(number).mp3")
        let task = Task { try await transcoder.convert(pieces(long, size: 1 << 20), header: header, to: mp3) }
        task.cancel()
        let error = await #expect(throws: TapedeckError.self) { try await task.value }
        #expect(error?.code == .interrupted)
      }
      #expect(
        try await transcoder.convert(pieces(silence), header: header, to: folder.appending("a")).samplesAt8kHz > 0)
    }
  }

  /// In a separate process, where no other test opens and closes files.
  @Test func `no conversion leaves a descriptor open`() async throws {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      ignoreBrokenPipes
      try await Descriptors.check()
    }
    if let result, result.exitStatus != .exitCode(EXIT_SUCCESS) {
      Issue.record("\(String(decoding: result.standardErrorContent.suffix(2000), as: UTF8.self))")
    }
  }
}

/// Conversions that end in every possible way.
private enum Descriptors {
  private static let behaviours = [
    "send(3, -11, number)", "send(2, 11, number)", "sys.exit()", "signal.pause()", "send(4)",
    "os.write(report, error(2, 0)); send(3, 1, number)",
  ]

  /// Makes one stand-in after the other, before anything is counted: tools that make them open files too.
  static func check(_ programs: [FilePath] = []) async throws {
    guard programs.count == behaviours.count else {
      return try await withStandIn(behaviours[programs.count]) { program, _ in
        try await check(programs + [program])
      }
    }
    try await Scratch.with { folder in
      let all: [FilePath?] = programs.map { $0 } + [nil, Transcoder.installed]
      // The first conversions open what stays open permanently.
      for run in 0..<2 * all.count { await convert(run, with: all[run % all.count], in: folder) }
      let before = NSCountedSet(array: try open())
      for run in 0..<6 * all.count { await convert(run, with: all[run % all.count], in: folder) }
      // A transcoder that is no longer needed ends shortly after. A leak stays open.
      _ = try await eventually {
        let left = NSCountedSet(array: try open())
        return left.allSatisfy { left.count(for: $0) <= before.count(for: $0) } ? true : nil
      }
    }
  }

  /// The kinds of open descriptors that a conversion uses; those of the system's event loops change at any time.
  private static func open() throws -> [String] {
    let folder = "/proc/self/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder)
      .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
      .map { String($0.prefix { $0 != ":" }) }
      .filter { $0 == "pipe" || $0 == "socket" || $0.hasSuffix(".mp3") }
  }

  private static func convert(_ run: Int, with program: FilePath?, in folder: FilePath) async {
    let transcoder = Transcoder(
      program: program, limits: ConversionLimits(timeout: .milliseconds(200)), patience: .milliseconds(100))
    let task = Task {
      try await transcoder.convert(pieces(silence), header: header(of: silence), to: folder.appending("out.mp3"))
    }
    if run % 4 == 1 { task.cancel() }
    _ = await task.result
  }
}
