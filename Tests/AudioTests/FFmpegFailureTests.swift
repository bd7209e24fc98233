import Audio
import Foundation
import Model
import SystemPackage
import Testing

private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
private let telephone = WAVBytes.telephone(dataSize: 16000)

/// An endless input; or one that is held back until the stand-in is ready, and fails at its fourth piece.
private struct Endless: AsyncSequence, Sendable {
  struct Broken: Error {}

  var failsOnceReady: Lifeline?

  struct Iterator: AsyncIteratorProtocol {
    var failsOnceReady: Lifeline?
    var count = 0

    mutating func next() async throws -> [UInt8]? {
      try Task.checkCancellation()
      if count == 0 { try await failsOnceReady?.ready() }
      if count == 3, failsOnceReady != nil { throw Broken() }
      count += 1
      return count == 1 ? telephone : Array(repeating: 0, count: 65536)
    }
  }

  func makeAsyncIterator() -> Iterator { Iterator(failsOnceReady: failsOnceReady) }
}

/// The input of a stand-in, held back until the stand-in is ready; ends after its first piece, or is endless.
private struct WhenReady: AsyncSequence, Sendable {
  var lifeline: Lifeline
  var endless = false
  /// Called when the stand-in is ready and the first piece is sent.
  var started: @Sendable () -> Void = {}

  struct Iterator: AsyncIteratorProtocol {
    var source: WhenReady
    var count = 0

    mutating func next() async throws -> [UInt8]? {
      count += 1
      guard count == 1 else { return source.endless && !Task.isCancelled ? telephone : nil }
      try await source.lifeline.ready()
      source.started()
      return telephone
    }
  }

  func makeAsyncIterator() -> Iterator { Iterator(source: self) }
}

@Suite(.timeLimit(.minutes(2)))
struct FFmpegFailureTests {
  init() { ignoreBrokenPipes }

  /// The time limit counts from when the stand-in is ready.
  private let impatient = ConversionLimits(timeout: .milliseconds(300))

  private func convert(
    _ executable: String, in folder: FilePath, limits: ConversionLimits = ConversionLimits()
  ) async -> Result<Conversion, TapedeckError> {
    await convert(pieces(telephone), executable, in: folder, limits: limits)
  }

  private func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, _ executable: String, in folder: FilePath, limits: ConversionLimits = ConversionLimits()
  ) async -> Result<Conversion, TapedeckError> where Input.Element: Sequence<UInt8> {
    await convert(input, with: FFmpeg(executable: executable, limits: limits), in: folder)
  }

  private func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, with ffmpeg: FFmpeg, in folder: FilePath
  ) async -> Result<Conversion, TapedeckError> where Input.Element: Sequence<UInt8> {
    do {
      return .success(
        try await ffmpeg.convert(input, header: try header(of: telephone), to: folder.appending("out.mp3")))
    } catch let error as TapedeckError {
      return .failure(error)
    } catch {
      return .failure(TapedeckError(.internalError, cause: error))
    }
  }

  private func error(_ result: Result<Conversion, TapedeckError>) throws -> TapedeckError {
    switch result {
    case .success(let conversion): throw ToolFailed(tool: "converted \(conversion.decodedFrames) frames", status: 0)
    case .failure(let error): return error
    }
  }

  @Test(arguments: [
    // With a child, reading no input, and with closed outputs.
    ("ready; sleep 1000 & wait", false), ("ready; exec sleep 1000", true), ("ready; exec sleep 1000 >&- 2>&-", false),
  ])
  func `an FFmpeg that hangs is killed with all its children`(script: String, hasEndlessInput: Bool) async throws {
    try await withStandIn(script) { executable, folder in
      let lifeline = Lifeline(folder)
      let input = WhenReady(lifeline: lifeline, endless: hasEndlessInput)
      let failure = try error(await convert(input, executable, in: folder, limits: impatient))
      #expect(failure.code == .conversionTimedOut)
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
  }

  @Test func `the end of long output on standard error is kept`() async throws {
    try await withStandIn("seq 1 200000 >&2; echo the last line >&2; exit 3") { executable, folder in
      let failure = try error(await convert(executable, in: folder))
      #expect(failure.code == .conversionFailed)
      let detail = try #require(failure.detail)
      #expect(detail.contains("200000\nthe last line"))
      #expect(detail.utf8.count < 4200)
      #expect(!failure.message.contains("last line") && failure.message.contains("channels: "))
    }
  }

  @Test func `an FFmpeg that ends early ends the conversion although input continues`() async throws {
    try await withStandIn("echo stopped early >&2; exit 1") { executable, folder in
      let failure = try error(await convert(Endless(), executable, in: folder))
      #expect(failure.code == .conversionFailed)
      #expect(failure.detail?.contains("stopped early") == true)
      #expect(try isGone(in: folder))
    }
  }

  @Test func `a crash is reported with its signal`() async throws {
    try await withStandIn("kill -SEGV $$") { executable, folder in
      let failure = try error(await convert(executable, in: folder))
      #expect(failure.code == .conversionFailed)
      #expect(failure.message == "FFmpeg crashed (signal 11).")
      #expect(try isGone(in: folder))
    }
  }

  @Test func `processor time is limited`() async throws {
    try await withStandIn("while :; do :; done") { executable, folder in
      let failure = try error(await convert(executable, in: folder, limits: ConversionLimits(cpuSeconds: 1)))
      #expect(failure.code == .conversionFailed)
      #expect(failure.message.contains("1 s of processor time"))
      #expect(try isGone(in: folder))
    }
  }

  @Test func `every limit is applied`() async throws {
    let script = "cat > /dev/null; cat /proc/self/limits >&2; env >&2; exit 1"
    try await withStandIn(script) { executable, folder in
      let detail = try #require(try error(await convert(executable, in: folder)).detail)
      let lines = detail.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
      for line in [
        "Max cpu time 1800 1800 seconds", "Max address space 4294967296 4294967296 bytes",
        "Max file size 4294967296 4294967296 bytes", "Max open files 64 64 files", "Max core file size 0 0 bytes",
      ] {
        #expect(lines.contains(line))
      }
    }
  }

  @Test func `no secret in the environment is passed on`() async throws {
    try await withStandIn("env >&2; exit 1") { executable, folder in
      let ffmpeg = FFmpeg(
        executable: executable, environment: ["CXONE_CLIENT_SECRET": "canary", "PATH": "/usr/bin:/bin"])
      let failure = await #expect(throws: TapedeckError.self) {
        try await ffmpeg.convert(pieces(telephone), header: header(of: telephone), to: folder.appending("out.mp3"))
      }
      let detail = try #require(failure?.detail)
      #expect(detail.contains("LC_ALL=C"))
      #expect(!detail.contains("canary"))
    }
  }

  @Test func `an FFmpeg without any output has failed`() async throws {
    try await withStandIn("cat > /dev/null") { executable, folder in
      let failure = try error(await convert(executable, in: folder))
      #expect(failure.message == "FFmpeg found no audio in the recording.")
    }
  }

  @Test func `audio without an MP3 has failed`() async throws {
    try await withStandIn("cat") { executable, folder in
      let failure = try error(await convert(executable, in: folder))
      #expect(failure.code == .conversionFailed)
      #expect(failure.detail?.contains("left no MP3") == true)
    }
  }

  @Test func `a full disk is recognized`() async throws {
    try await withStandIn("cat; echo 'av_interleaved_write_frame(): No space left on device' >&2") {
      executable, folder in
      let failure = try error(await convert(executable, in: folder))
      #expect(failure.code == .diskFull)
    }
  }

  @Test func `a missing FFmpeg and a missing encoder are distinguished`() async throws {
    try await withStandIn("cat > /dev/null; echo \"Unknown encoder 'libmp3lame'\" >&2; exit 1") { executable, folder in
      let encoder = try error(await convert(executable, in: folder))
      #expect(encoder.code == .ffmpegMissing)
      #expect(encoder.message.contains("no MP3 encoder"))
      for name in ["no-such-ffmpeg", folder.appending("nothing").string] {
        let program = try error(await convert(name, in: folder))
        #expect(program.code == .ffmpegMissing)
        #expect(program.message.contains("was not found"))
        let asked = await #expect(throws: TapedeckError.self) { try await FFmpeg(executable: name).capabilities() }
        #expect(asked?.code == .ffmpegMissing)
      }
    }
  }

  @Test func `an FFmpeg that cannot be started is not attributed to the recording`() async throws {
    try await withStandIn("cat") { executable, folder in
      // Found, but not a program that the system can run.
      try Data("no program".utf8).write(to: URL(filePath: folder.appending("prlimit").string))
      try runTool("chmod", ["755", folder.appending("prlimit").string])
      let ffmpeg = FFmpeg(executable: executable, environment: ["PATH": folder.string])
      let failure = try error(await convert(pieces(telephone), with: ffmpeg, in: folder))
      #expect(failure.code == .internalError)
      #expect(failure.message.contains("could not be started"))
      #expect(failure.code.remedy == .retry)
    }
  }

  @Test func `capabilities are read from FFmpeg's output`() async throws {
    let script = "echo 'ffmpeg version 9.9-x Copyright' >&2; echo ' A....D aac  AAC'"
    try await withStandIn(script) { executable, _ in
      let capabilities = try await FFmpeg(executable: executable).capabilities()
      #expect(capabilities == FFmpeg.Capabilities(version: "9.9-x", hasLibmp3lame: false))
    }
    try await withStandIn("echo hello") { executable, _ in
      let failure = await #expect(throws: TapedeckError.self) {
        try await FFmpeg(executable: executable).capabilities()
      }
      #expect(failure?.code == .ffmpegMissing)
    }
  }

  @Test func `a failing input ends FFmpeg, and its error is thrown`() async throws {
    try await withStandIn("ready; cat > /dev/null") { executable, folder in
      let lifeline = Lifeline(folder)
      let failure = try error(await convert(Endless(failsOnceReady: lifeline), executable, in: folder))
      #expect(failure.code == .storageFailed)
      #expect(failure.cause is Endless.Broken)
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
    try await withStandIn("exec sleep 1000") { executable, folder in
      let stream = AsyncThrowingStream<[UInt8], any Error> { continuation in
        continuation.yield(telephone)
        continuation.finish(throwing: TapedeckError(.downloadInterrupted))
      }
      let failure = try error(await convert(stream, executable, in: folder))
      #expect(failure.code == .downloadInterrupted)
    }
  }

  @Test func `a cancelled conversion leaves no process`() async throws {
    try await withStandIn("ready; exec sleep 1000") { executable, folder in
      let started = AsyncStream<Void>.makeStream()
      let lifeline = Lifeline(folder)
      let input = WhenReady(lifeline: lifeline, endless: true) { started.continuation.yield() }
      let task = Task { await convert(input, executable, in: folder) }
      for await _ in started.stream { break }
      task.cancel()
      let failure = try error(await task.value)
      #expect(failure.code == .interrupted)
      #expect(try isGone(in: folder))
      try await lifeline.ended()
    }
  }

  @Test(arguments: Way.allCases) func `waiting for a growing file does not count against the time limit`(
    way: Way
  ) async throws {
    let limits = ConversionLimits(timeout: .seconds(6))
    let (input, more) = AsyncStream<ArraySlice<UInt8>>.makeStream()
    more.yield(telephone[..<9000])
    try await Scratch.with { folder in
      async let converted = convert(input, with: way.ffmpeg(limits), in: folder)
      // Another run with the same limit shows when that much time has passed.
      try await withStandIn("exec sleep 1000") { executable, folder in
        let failure = try error(await convert(executable, in: folder, limits: limits))
        #expect(failure.code == .conversionTimedOut)
      }
      more.yield(telephone[9000...])
      more.finish()
      #expect(try await converted.get().decodedFrames == 8000)
    }
  }
}
