import Audio
import Foundation
import Model
import SystemPackage
import Testing

private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
private let telephone = WAVBytes.telephone(dataSize: 16000)
/// More bytes than any pipe holds.
private let large = WAVBytes.telephone(dataSize: 0xFFFF_FFFF, audio: 3 << 20)

/// Conversions of a complete file.
@Suite(.timeLimit(.minutes(2)))
struct FFmpegFileTests {
  init() { ignoreBrokenPipes }

  /// Enough time for a stand-in to start.
  private let impatient = ConversionLimits(timeout: .seconds(15))

  private func convert(
    _ bytes: [UInt8] = telephone, with ffmpeg: FFmpeg, in folder: FilePath
  ) async throws -> Conversion {
    let file = folder.appending("in.wav")
    try Data(bytes).write(to: URL(filePath: file.string))
    return try await ffmpeg.convert(file: file, header: header(of: bytes), to: folder.appending("out.mp3"))
  }

  /// The failure of a conversion with a stand-in.
  private func failure(
    of executable: String, _ bytes: [UInt8] = telephone, in folder: FilePath,
    limits: ConversionLimits = ConversionLimits()
  ) async throws -> TapedeckError {
    try #require(
      await #expect(throws: TapedeckError.self) {
        try await convert(bytes, with: FFmpeg(executable: executable, limits: limits), in: folder)
      })
  }

  @Test(arguments: Sample.all.prefix(3), Way.allCases) func `a file gives the same result as its stream`(
    sample: Sample, way: Way
  ) async throws {
    let bytes = try sample.bytes()
    try await Scratch.with { folder in
      let mp3 = folder.appending("stream.mp3")
      let streamed = try await way.ffmpeg().convert(pieces(bytes), header: header(of: bytes), to: mp3)
      let converted = try await convert(bytes, with: way.ffmpeg(), in: folder)
      #expect(converted.decodedFrames == streamed.decodedFrames)
      #expect(converted.duration == streamed.duration)
      #expect(converted.peaks == streamed.peaks)
      #expect(converted.mp3Bytes == streamed.mp3Bytes)
      #expect(
        try Data(contentsOf: URL(filePath: folder.appending("out.mp3").string))
          == Data(contentsOf: URL(filePath: mp3.string)))
    }
  }

  @Test func `a file larger than any pipe arrives completely`() async throws {
    try await withStandIn("cat > $here/got; exit 1") { executable, folder in
      _ = try await self.failure(of: executable, large, in: folder)
      #expect(try Data(contentsOf: URL(filePath: folder.appending("got").string)) == Data(large))
    }
  }

  @Test func `a file that cannot be spliced arrives completely`() async throws {
    // True on most kernels; on others this is a file like any other.
    let file: FilePath = "/proc/self/environ"
    try await withStandIn("cat > $here/got; exit 1") { executable, folder in
      let failure = await #expect(throws: TapedeckError.self) {
        try await FFmpeg(executable: executable).convert(
          file: file, header: header(of: telephone), to: folder.appending("out.mp3"))
      }
      #expect(failure?.code == .conversionFailed)
      let got = try Data(contentsOf: URL(filePath: folder.appending("got").string))
      #expect(!got.isEmpty)
      #expect(try got == FileHandle(forReadingFrom: URL(filePath: file.string)).readToEnd())
    }
  }

  @Test(arguments: ["sleep 1000 & wait", "exec sleep 1000", "exec sleep 1000 >&- 2>&-"])
  func `an FFmpeg that reads nothing is killed with all its children`(script: String) async throws {
    try await withStandIn("ready; \(script)") { executable, folder in
      let lifeline = Lifeline(folder)
      async let ready: Void = lifeline.ready()
      let failure = try await self.failure(of: executable, large, in: folder, limits: impatient)
      try await ready
      #expect(failure.code == .conversionTimedOut)
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
  }

  @Test func `an FFmpeg that ends early ends the conversion`() async throws {
    try await withStandIn("head -c 100 > /dev/null; echo stopped early >&2; exit 1") { executable, folder in
      let failure = try await self.failure(of: executable, large, in: folder)
      #expect(failure.code == .conversionFailed)
      #expect(failure.detail?.contains("stopped early") == true)
      #expect(try isGone(in: folder))
    }
  }

  @Test func `more audio than the limit ends FFmpeg`() async throws {
    try await withStandIn("ready; cat; exec sleep 1000") { executable, folder in
      let lifeline = Lifeline(folder)
      async let ready: Void = lifeline.ready()
      let failure = try await self.failure(
        of: executable, large, in: folder, limits: ConversionLimits(audio: .seconds(2)))
      try await ready
      #expect(failure.message.contains("too long; the limit"))
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
  }

  @Test func `a missing file fails, and no process is started`() async throws {
    try await withStandIn("cat > /dev/null") { executable, folder in
      let failure = await #expect(throws: TapedeckError.self) {
        try await FFmpeg(executable: executable).convert(
          file: folder.appending("nothing.wav"), header: header(of: telephone), to: folder.appending("out.mp3"))
      }
      #expect(failure?.code == .storageFailed)
      #expect(failure?.cause as? Errno == .noSuchFileOrDirectory)
      #expect(!FileManager.default.fileExists(atPath: folder.appending("pid").string))
    }
  }

  @Test func `a cancelled conversion leaves no process`() async throws {
    try await withStandIn("ready; exec sleep 1000") { executable, folder in
      let lifeline = Lifeline(folder)
      let task = Task { try await self.failure(of: executable, large, in: folder) }
      try await lifeline.ready()
      task.cancel()
      #expect(try await task.value.code == .interrupted)
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
  }

  /// In a separate process, where no other test opens and closes files.
  @Test func `no run leaves a descriptor open`() async throws {
    let result = await #expect(processExitsWith: .success, observing: [\.standardErrorContent]) {
      ignoreBrokenPipes
      try await Descriptors.check()
    }
    if let result, result.exitStatus != .exitCode(EXIT_SUCCESS) {
      Issue.record("\(String(decoding: result.standardErrorContent.suffix(2000), as: UTF8.self))")
    }
  }
}

/// Fifty runs that end in every possible way.
private enum Descriptors {
  struct Refused: Error {}

  private static let scripts = ["cat", "exit 1", "kill -SEGV $$", "exec sleep 1000 >&- 2>&-", "exec sleep 1000"]

  /// Makes one stand-in after the other, before anything is counted: tools that make them open files too.
  static func check(_ standIns: [(executable: String, folder: FilePath)] = []) async throws {
    guard standIns.count == scripts.count else {
      return try await withStandIn(scripts[standIns.count]) { executable, folder in
        try Data(large).write(to: URL(filePath: folder.appending("in.wav").string))
        try await check(standIns + [(executable, folder)])
      }
    }
    // The first runs open what stays open permanently.
    for run in 0..<10 { try await once(run, standIns) }
    let before = NSCountedSet(array: try open())
    for run in 0..<50 { try await once(run, standIns) }
    // The monitor of child processes closes its descriptors shortly after a run has returned. A leak stays open.
    for _ in 0..<6000 {
      let left = NSCountedSet(array: try open())
      if left.allSatisfy({ left.count(for: $0) <= before.count(for: $0) }) { return }
      try await Task.sleep(for: .milliseconds(10))  // Closing a descriptor sends no signal.
    }
    let left = try open()
    FileHandle.standardError.write(Data("\(before) became \(left)\n".utf8))
    exit(EXIT_FAILURE)
  }

  /// The open descriptors of the kinds that a run uses; those of the system's event loops change at any time.
  private static func open() throws -> [String] {
    let folder = "/proc/self/fd"
    return try FileManager.default.contentsOfDirectory(atPath: folder)
      .compactMap { try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)") }
      .filter { $0.hasPrefix("pipe:") || $0.hasPrefix("/") || $0.contains("pidfd") }
      .filter { !$0.hasPrefix("/proc/") }
      .sorted()
  }

  private static func once(_ run: Int, _ standIns: [(executable: String, folder: FilePath)]) async throws {
    let (executable, folder) = standIns[run % standIns.count]
    let limits = ConversionLimits(timeout: .milliseconds(50))
    let name = run % 7 == 6 ? folder.appending("none").string : executable
    let ffmpeg = FFmpeg(executable: name, limits: limits)
    let header = try header(of: large)
    let task = Task {
      if run % 2 == 0 {
        return try await ffmpeg.convert(
          file: folder.appending("in.wav"), header: header, to: folder.appending("out.mp3"))
      }
      return try await ffmpeg.convert(pieces(large, size: 1 << 20), header: header, to: folder.appending("out.mp3"))
    }
    if run % 4 == 1 { task.cancel() }
    if case .success = await task.result { throw Refused() }
  }
}
