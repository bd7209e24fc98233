import Audio
import Foundation
import Model
import Synchronization
import SystemPackage
import Testing

private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
private let telephone = WAVBytes.telephone(dataSize: 16000)

/// What becomes of a transcoder that misbehaves, and of one that reports failures which are hard to bring about.
@Suite(.timeLimit(.minutes(2)))
struct TranscoderFailureTests {
  init() { ignoreBrokenPipes }

  /// The failure of a conversion of a second of silence.
  private func failure(
    of program: FilePath?, in folder: FilePath, limits: ConversionLimits = ConversionLimits(),
    requiresSandbox: Bool = false, patience: Duration = .milliseconds(200)
  ) async throws -> TapedeckError {
    let transcoder = Transcoder(
      program: program, limits: limits, requiresSandbox: requiresSandbox, patience: patience)
    return try #require(
      await #expect(throws: TapedeckError.self) {
        try await transcoder.convert(
          pieces(telephone), header: header(of: telephone), to: folder.appending("out.mp3"))
      })
  }

  // MARK: Start

  static let starts: [(ready: String, code: TapedeckError.Code, detail: String)] = [
    ("sys.exit('libavformat.so: cannot open shared object file')", .ffmpegMissing, "libavformat.so: cannot open"),
    ("sys.exit('failed to map segment: Cannot allocate memory')", .internalError, "Cannot allocate memory"),
    ("sys.exit()", .ffmpegMissing, ""), ("tapedeck.send(b'short')", .ffmpegMissing, ""),
    ("tapedeck.send(bytes(1000))", .ffmpegMissing, ""), ("send(3)", .ffmpegMissing, ""),
    ("send(1, status=99)", .ffmpegMissing, ""),
  ]

  @Test(arguments: starts) func `a transcoder that does not start is not attributed to the recording`(
    ready: String, code: TapedeckError.Code, detail: String
  ) async throws {
    try await withStandIn("pass", ready: ready) { program, folder in
      let error = try await failure(of: program, in: folder)
      #expect(error.code == code && (detail.isEmpty || error.detail?.contains(detail) == true), "\(error.detail ?? "")")
      #expect(try standIn(in: folder).isGone)
    }
  }

  @Test func `a missing transcoder is reported`() async throws {
    try await Scratch.with { folder in
      for program in [nil, folder.appending("nothing"), folder] {
        let error = try await failure(of: program, in: folder)
        #expect(error.code == .ffmpegMissing)
      }
    }
  }

  @Test(arguments: [("(0, 1)", "no Landlock"), ("(6, 0)", "no seccomp"), ("(0, 0)", "no seccomp and Landlock")])
  func `a required sandbox must be complete`(numbers: String, missing: String) async throws {
    let ready = "send(1, status=1, numbers=\(numbers))"
    try await withStandIn("send(3, -11, number)", ready: ready) { program, folder in
      let error = try await failure(of: program, in: folder, requiresSandbox: true)
      #expect(error.code == .configurationInvalid && error.message.contains(missing))
      // Without the setting, it is used.
      #expect(try await failure(of: program, in: folder).message == "The conversion crashed (signal 11).")
    }
  }

  // MARK: End

  /// Replies and reports, and what they mean.
  static let outcomes: [(behaviour: String, code: TapedeckError.Code, text: String)] = [
    ("send(2, errno.EAGAIN, number)", .internalError, "could not be started"),
    ("send(3, 2, number)", .internalError, "could not be started"),
    ("send(3, -signal.SIGSEGV, number)", .conversionFailed, "crashed (signal 11)"),
    ("send(3, -signal.SIGSYS, number)", .conversionFailed, "its sandbox forbids"),
    ("send(3, -signal.SIGKILL, number)", .conversionFailed, "7 s of processor time"),
    ("send(3, 0, number)", .conversionFailed, "report of the conversion is incomplete"),
    ("os.write(report, FACTS); send(3, 0, number)", .conversionFailed, "report of the conversion is incomplete"),
    (
      "os.write(report, FACTS + frame(b'P', bytes(4)) + end(8000, 0)); send(3, 0, number)", .conversionFailed,
      "report of the conversion is incomplete"
    ),
    (
      "os.write(report, FACTS + frame(b'P', bytes(200)) + end(8000, 7)); send(3, 0, number)", .conversionFailed,
      "left no MP3 of 7 bytes"
    ),
    ("os.write(report, error(1, 0)); send(3, 1, number)", .internalError, "sandbox"),
    ("os.write(report, error(2, 0, b'no header')); send(3, 1, number)", .conversionFailed, "no header"),
    ("os.write(report, error(3, -1, b'bad block')); send(3, 1, number)", .conversionFailed, "bad block"),
    // What a recording could make a conversion say.
    ("os.write(report, error(4, 0, b'built without libmp3lame')); send(3, 1, number)", .conversionFailed, "libmp3lame"),
    ("os.write(report, error(5, -errno.ENOSPC)); send(3, 1, number)", .storageFailed, ""),
    ("os.write(report, error(5, -errno.EDQUOT)); send(3, 1, number)", .storageFailed, ""),
    ("os.write(report, error(5, -errno.EIO)); send(3, 1, number)", .storageFailed, "MP3 could not be written"),
    ("os.write(report, error(6, -errno.ENOMEM, b'more memory')); send(3, 1, number)", .conversionFailed, "more memory"),
    ("os.write(report, error(7, -errno.EIO)); send(3, 1, number)", .storageFailed, "could not be read"),
    ("os.write(report, error(9, 0)); send(3, 1, number)", .unsupportedAudio, "too long"),
    ("os.write(report, error(8, 0, b'The sample rate is 1')); send(3, 1, number)", .unsupportedAudio, "sample rate"),
    // Not the protocol.
    ("os.write(report, frame(b'X')); signal.pause()", .conversionFailed, "unexpected frame"),
    ("os.write(report, b'W' + bytes([0, 0, 1, 0])); signal.pause()", .conversionFailed, "frame of 65536 bytes"),
    ("os.write(report, error(2, 0) * 2); signal.pause()", .conversionFailed, "after the last one"),
    ("os.write(report, frame(b'W') * 33); signal.pause()", .conversionFailed, "unexpected frame"),
    ("while True: os.write(report, frame(b'P', bytes(30_000)))", .conversionFailed, "unexpected frame"),
    ("while True: os.write(report, frame(b'F') * 1000)", .conversionFailed, "report without an end"),
    ("send(3, 0, number + 1); signal.pause()", .internalError, "interrupted"),
    ("send(4, 0, number); signal.pause()", .internalError, "interrupted"),
    ("tapedeck.send(b'short'); signal.pause()", .internalError, "interrupted"),
    ("sys.exit()", .internalError, "interrupted"),
  ]

  @Test(arguments: outcomes) func `an unsuccessful end is recognized`(
    behaviour: String, code: TapedeckError.Code, text: String
  ) async throws {
    let limits = ConversionLimits(cpuSeconds: 7, audio: .seconds(3600))
    try await withStandIn(behaviour) { program, folder in
      let error = try await failure(of: program, in: folder, limits: limits)
      #expect(error.code == code)
      #expect(
        text.isEmpty || "\(error.message) \(error.detail ?? "")".contains(text),
        "\(error.message) \(error.detail ?? "")")
    }
  }

  @Test(arguments: ["signal.pause()", "for descriptor in descriptors: os.close(descriptor)\nsignal.pause()"])
  func `a transcoder that does nothing is killed`(behaviour: String) async throws {
    try await withStandIn(behaviour) { program, folder in
      let error = try await failure(of: program, in: folder, limits: ConversionLimits(timeout: .milliseconds(300)))
      #expect(error.code == .conversionTimedOut)
      #expect(try standIn(in: folder).isGone)
    }
  }

  @Test func `only the path of libraries is passed on from the environment`() async throws {
    try await withStandIn("os.write(report, error(2, 0, repr(dict(os.environ)).encode())); send(3, 1, number)") {
      program, folder in
      let transcoder = Transcoder(
        program: program, environment: ["CXONE_CLIENT_SECRET": "canary", "LD_LIBRARY_PATH": "/nowhere", "PATH": "/bin"])
      let error = await #expect(throws: TapedeckError.self) {
        try await transcoder.convert(
          pieces(telephone), header: header(of: telephone), to: folder.appending("out.mp3"))
      }
      let detail = try #require(error?.detail)
      #expect(detail.contains("'LD_LIBRARY_PATH': '/nowhere'") && detail.contains("'LC_ALL': 'C'"))
      #expect(!detail.contains("canary") && !detail.contains("PATH': '/bin'"))
    }
  }

  // MARK: Input and output

  private func failure<Input: AsyncSequence & Sendable>(
    of input: Input, to mp3: FilePath
  ) async throws -> TapedeckError where Input.Element: Sequence<UInt8> {
    try #require(
      await #expect(throws: TapedeckError.self) {
        try await Transcoder().convert(input, header: header(of: telephone), to: mp3)
      })
  }

  @Test func `the error of a failing input is thrown`() async throws {
    struct Broken: Error {}
    for broken in [Broken(), TapedeckError(.downloadInterrupted)] as [any Error] {
      try await Scratch.with { folder in
        let input = AsyncThrowingStream<[UInt8], any Error> { continuation in
          continuation.yield(telephone)
          continuation.finish(throwing: broken)
        }
        let error = try await failure(of: input, to: folder.appending("out.mp3"))
        if broken is Broken {
          #expect(error.code == .storageFailed && error.cause is Broken)
        } else {
          #expect(error.code == .downloadInterrupted)
        }
      }
    }
  }

  @Test func `a conversion that fails early ends although input continues`() async throws {
    try await Scratch.with { folder in
      let endless = AsyncStream<[UInt8]> { Array(repeating: 0, count: 65536) }
      let error = try await failure(of: endless, to: folder.appending("out.mp3"))
      #expect(error.code == .conversionFailed)
    }
  }

  @Test func `an MP3 that cannot be written is a matter of the machine`() async throws {
    #expect(try await failure(of: pieces(telephone), to: "/dev/full").code == .diskFull)
    #expect(try await failure(of: pieces(telephone), to: "/nowhere/out.mp3").code == .storageFailed)
  }

  @Test func `processor time is limited`() async throws {
    try await Scratch.with { folder in
      // Its header does not say how long it is.
      let bytes = WAVFile(audio: tone(500_000), dataSize: 0, riffSize: 0).bytes
      let header = try header(of: bytes)
      let position = Mutex(0)
      let endless = AsyncStream<ArraySlice<UInt8>> {
        position.withLock { position in
          defer { position = bytes.count / 2 }
          return bytes[position...]
        }
      }
      let transcoder = Transcoder(limits: ConversionLimits(cpuSeconds: 1))
      let error = await #expect(throws: TapedeckError.self) {
        try await transcoder.convert(endless, header: header, to: folder.appending("out.mp3"))
      }
      #expect(error?.message.contains("1 s of processor time") == true, "\(error?.message ?? "")")
    }
  }

  @Test func `waiting for a growing file does not count against the time limit`() async throws {
    let limits = ConversionLimits(timeout: .seconds(2))
    let recording = HalfRecording(telephone)
    try await Scratch.with { folder in
      let header = try header(of: telephone)
      async let converted = Transcoder(limits: limits).convert(
        recording.input, header: header, to: folder.appending("out.mp3"))
      // Another conversion with the same limit shows when that much time has passed.
      try await withStandIn("signal.pause()") { program, folder in
        let error = try await failure(of: program, in: folder, limits: limits)
        #expect(error.code == .conversionTimedOut)
      }
      recording.finish()
      #expect(try await converted.samplesAt8kHz == 8000)
    }
  }
}
