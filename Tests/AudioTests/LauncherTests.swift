import Audio
import Foundation
import Model
import Synchronization
import SystemPackage
import Testing

/// Two minutes of silence: half of it is more than FFmpeg needs to begin.
private let silence = WAVBytes.telephone(dataSize: 2_000_000, audio: 2_000_000)
private let ignoreBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

/// FFmpeg, linked once and forked for each recording.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct LauncherTests {
  init() { ignoreBrokenPipes }

  /// Converts a recording whose second half is sent after `body` has examined the FFmpeg that waits for it.
  private func convert(
    _ bytes: [UInt8], with ffmpeg: FFmpeg, in folder: FilePath, _ body: (RunningProcess) async throws -> Void
  ) async throws -> Conversion {
    let recording = HalfRecording(bytes)
    let mp3 = folder.appending("out-\(UUID().uuidString).mp3")
    let header = try header(of: bytes)
    async let conversion = ffmpeg.convert(recording.input, header: header, to: mp3)
    try await body(try await writer(of: mp3))
    recording.finish()
    return try await conversion
  }

  private func data(_ path: FilePath) throws -> Data { try Data(contentsOf: URL(filePath: path.string)) }

  /// A copy of an installed program at a path where it can be replaced.
  private func copy(_ tool: String, to path: FilePath) throws {
    let found = try runTool("sh", ["-c", "readlink -f $(which \(tool))"])
    let source = String(decoding: found, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    try runTool("install", ["-m", "755", source, path.string + ".new"])
    try runTool("mv", [path.string + ".new", path.string])
  }

  // MARK: Properties of a forked FFmpeg

  @Test func `a forked FFmpeg makes the same MP3 and the same peaks`() async throws {
    for sample in [Sample.telephone, Sample.telephoneStereo] {
      let bytes = try sample.bytes()
      try await Scratch.with { folder in
        let (forked, spawned) = (folder.appending("forked.mp3"), folder.appending("spawned.mp3"))
        let first = try await Way.forked.ffmpeg().convert(pieces(bytes), header: header(of: bytes), to: forked)
        let second = try await Way.spawned.ffmpeg().convert(pieces(bytes), header: header(of: bytes), to: spawned)
        #expect(first == second)
        #expect(try data(forked) == data(spawned))
      }
    }
  }

  @Test func `a forked FFmpeg is as confined as a spawned one`() async throws {
    try await Scratch.with { folder in
      var limits: [[String]] = []
      var signals: [[String?]] = []
      var descriptors: [[String]] = []
      for way in Way.allCases {
        _ = try await convert(silence, with: way.ffmpeg(), in: folder) { process in
          #expect(try process.name == "ffmpeg")
          #expect(process.group == process.id)
          limits.append(try process.limits)
          let status = try process.status
          // Spawning leaves the C library's own two signals (32 and 33) ignored; the launcher does not.
          let ignored = UInt64(try #require(status["SigIgn"]), radix: 16).map { String($0 & ~(3 << 31)) }
          signals.append([status["SigBlk"], ignored, status["SigCgt"]])
          let open = try process.descriptors
          #expect(Set([0, 1, 2].map { open[$0] }).count == 3)
          descriptors.append(open.sorted { $0.key < $1.key }.map { String($0.value.prefix { $0 != ":" && $0 != "-" }) })
          if way == .forked { #expect(status["NoNewPrivs"] == "1") }
        }
      }
      #expect(limits[0] == limits[1])
      #expect(signals[0] == signals[1])
      #expect(descriptors[0] == descriptors[1])
      #expect(limits[0].contains { $0.split(separator: " ").starts(with: ["Max", "open", "files", "64", "64"]) })
      let pipes = descriptors[0].filter { $0 == "pipe" }
      #expect(pipes.count == 3)
    }
  }

  @Test func `neither the launcher nor its children receive a secret`() async throws {
    let ours = ["CXONE_CLIENT_SECRET": "canary", "PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": "/nowhere"]
    try await Scratch.with { folder in
      _ = try await convert(silence, with: Way.forked.ffmpeg(environment: ours), in: folder) { process in
        for process in [process, try process.parent] {
          let names = try process.environment.map { String($0.prefix { $0 != "=" }) }
          #expect(
            Set(names) == ["LC_ALL", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "TAPEDECK_FFMPEG_LAUNCHER"])
        }
      }
    }
  }

  // MARK: Life of the launcher

  @Test func `one launcher serves many conversions at once and ends when it is no longer needed`() async throws {
    try await Scratch.with { folder in
      var ffmpeg: FFmpeg? = Way.forked.ffmpeg()
      let header = try header(of: silence)
      let recordings = (0..<20).map { _ in HalfRecording(silence) }
      let launcher = try await withThrowingTaskGroup(of: Int64.self) { group in
        for (number, recording) in recordings.enumerated() {
          guard let ffmpeg else { break }
          let mp3 = folder.appending("\(number).mp3")
          group.addTask { try await ffmpeg.convert(recording.input, header: header, to: mp3).decodedFrames }
        }
        var launchers: [RunningProcess] = []
        for number in 0..<20 { launchers.append(try await writer(of: folder.appending("\(number).mp3")).parent) }
        #expect(launchers.allSatisfy { $0 == launchers[0] })
        for recording in recordings { recording.finish() }
        for try await frames in group { #expect(frames == 1_000_000) }
        return launchers[0]
      }
      #expect(try launcher.name == "ffmpeg-launcher")
      #expect(try launcher.parent.id == getpid())
      ffmpeg = nil
      _ = try await eventually { launcher.isGone ? true : nil }
    }
  }

  @Test func `fifty simultaneous conversions of files succeed`() async throws {
    let bytes = try Sample.telephone.bytes()
    try await Scratch.with { folder in
      let file = folder.appending("in.wav")
      try Data(bytes).write(to: URL(filePath: file.string))
      let ffmpeg = Way.forked.ffmpeg()
      let header = try header(of: bytes)
      let sizes = try await withThrowingTaskGroup(of: Int64.self) { group in
        for number in 0..<50 {
          group.addTask {
            try await ffmpeg.convert(file: file, header: header, to: folder.appending("\(number).mp3")).mp3Bytes
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(sizes.count == 50)
      #expect(Set(sizes).count == 1)
    }
  }

  @Test func `a launcher that was killed is replaced, and a file is converted nevertheless`() async throws {
    // Half an hour of silence, so that FFmpeg is still running.
    let bytes = WAVBytes.telephone(dataSize: 30_000_000, audio: 30_000_000)
    try await Scratch.with { folder in
      let (file, mp3) = (folder.appending("in.wav"), folder.appending("out.mp3"))
      try Data(bytes).write(to: URL(filePath: file.string))
      let starts = Mutex<[FFmpegStart]>([])
      let ffmpeg = FFmpeg { start in starts.withLock { $0.append(start) } }
      let header = try header(of: bytes)
      async let converting = ffmpeg.convert(file: file, header: header, to: mp3)
      let process = try await writer(of: mp3)
      let launcher = try process.parent
      process.kill(SIGSTOP)
      launcher.kill(SIGKILL)
      let converted = try await converting
      #expect(converted.decodedFrames == 15_000_000)
      #expect(process.isGone || (try? process.status["State"]?.hasPrefix("Z")) == true)
      let plain = folder.appending("plain.mp3")
      let again = try await Way.spawned.ffmpeg().convert(file: file, header: header, to: plain)
      #expect(again == converted)
      #expect(try data(plain) == data(mp3))

      // The next conversion is told why it is not forked; after a second there is a launcher again.
      _ = try await eventually {
        try await ffmpeg.start() == .forked ? true : nil
      }
      let next = try await convert(silence, with: ffmpeg, in: folder) { process in
        let parent = try process.parent
        #expect(try parent.name == "ffmpeg-launcher")
        #expect(parent != launcher)
      }
      #expect(next.decodedFrames == 1_000_000)
      #expect(starts.withLock { $0 }.first == .forked)
    }
  }

  @Test func `a growing file whose launcher was killed fails and can be retried`() async throws {
    try await Scratch.with { folder in
      let error = await #expect(throws: TapedeckError.self) {
        try await convert(silence, with: Way.forked.ffmpeg(), in: folder) { try $0.parent.kill(SIGKILL) }
      }
      #expect(error?.code.remedy == .retry)
      #expect(error?.detail == "FFmpeg's launcher was killed")
    }
  }

  @Test func `a child that was killed is recognized, and its launcher is replaced`() async throws {
    try await Scratch.with { folder in
      let ffmpeg = Way.forked.ffmpeg()
      var launcher: RunningProcess?
      let error = await #expect(throws: TapedeckError.self) {
        try await convert(silence, with: ffmpeg, in: folder) { process in
          launcher = try process.parent
          process.kill(SIGSEGV)
        }
      }
      #expect(error?.message == "FFmpeg crashed (signal 11).")
      _ = try await convert(silence, with: ffmpeg, in: folder) { process in
        let parent = try process.parent
        #expect(parent != launcher)
      }
      let old = try #require(launcher)
      _ = try await eventually { old.isGone ? true : nil }
    }
  }

  @Test func `a launcher that does not answer is abandoned`() async throws {
    try await Scratch.with { folder in
      let ffmpeg = FFmpeg()
      var launcher: RunningProcess?
      _ = try await convert(silence, with: ffmpeg, in: folder) { launcher = try $0.parent }
      let process = try #require(launcher)
      process.kill(SIGSTOP)
      _ = try await convert(silence, with: ffmpeg, in: folder) { running in
        let parent = try running.parent
        #expect(parent.id == getpid())
      }
      #expect(process.isGone)
    }
  }

  @Test func `a replaced FFmpeg gets a new launcher`() async throws {
    try await Scratch.with { folder in
      let program = folder.appending("ffmpeg")
      try copy("ffmpeg", to: program)
      let ffmpeg = Way.forked.ffmpeg(executable: program.string)
      var launchers: [RunningProcess] = []
      for _ in 0..<2 { _ = try await convert(silence, with: ffmpeg, in: folder) { launchers.append(try $0.parent) } }
      try copy("ffmpeg", to: program)
      _ = try await convert(silence, with: ffmpeg, in: folder) { launchers.append(try $0.parent) }
      #expect(launchers[0] == launchers[1])
      #expect(launchers[1] != launchers[2])
    }
  }

  @Test func `a cancelled conversion leaves no process`() async throws {
    try await Scratch.with { folder in
      let recording = HalfRecording(silence)
      let mp3 = folder.appending("out.mp3")
      let header = try header(of: silence)
      let ffmpeg = Way.forked.ffmpeg()
      let task = Task { try await ffmpeg.convert(recording.input, header: header, to: mp3) }
      let process = try await writer(of: mp3)
      process.kill(SIGSTOP)
      task.cancel()
      let error = await #expect(throws: TapedeckError.self) { try await task.value }
      #expect(error?.code == .interrupted)
      #expect(process.isGone)
    }
  }

  @Test func `an FFmpeg without progress is killed`() async throws {
    let bytes = WAVBytes.telephone(dataSize: 30_000_000, audio: 30_000_000)
    try await Scratch.with { folder in
      let (file, mp3) = (folder.appending("in.wav"), folder.appending("out.mp3"))
      try Data(bytes).write(to: URL(filePath: file.string))
      let header = try header(of: bytes)
      let ffmpeg = Way.forked.ffmpeg(ConversionLimits(timeout: .seconds(3)))
      let task = Task { try await ffmpeg.convert(file: file, header: header, to: mp3) }
      let process = try await writer(of: mp3)
      process.kill(SIGSTOP)
      let error = await #expect(throws: TapedeckError.self) { try await task.value }
      #expect(error?.code == .conversionTimedOut)
      #expect(process.isGone)
    }
  }

  // MARK: FFmpegs that cannot be forked

  private func start(_ executable: String = "ffmpeg", library: FilePath? = LauncherLibrary.path) async throws -> String
  {
    let start = try await FFmpeg(executable: executable, library: library).start()
    guard case .spawned(let reason) = start else { return "\(start)" }
    return reason
  }

  @Test func `an FFmpeg that cannot be forked is spawned, and the reason is reported`() async throws {
    #expect(try await FFmpeg().start() == .forked)
    #expect(try await start(library: nil) == "the launcher's library is not installed")
    try await Scratch.with { folder in
      let script = folder.appending("script")
      try "#!/bin/sh\ntouch '\(folder)/was-run'\nexec ffmpeg \"$@\"\n".write(
        toFile: script.string, atomically: true, encoding: .utf8)
      try runTool("chmod", ["755", script.string])
      #expect(try await start(script.string).contains("script"))
      #expect(!FileManager.default.fileExists(atPath: folder.appending("was-run").string))

      let privileged = folder.appending("privileged")
      try copy("ffmpeg", to: privileged)
      try runTool("chmod", ["u+s", privileged.string])
      #expect(try await start(privileged.string).contains("setuid"))

      let (empty, spaced) = (folder.appending("empty.so"), folder.appending("a library.so"))
      try Data().write(to: URL(filePath: empty.string))
      try Data().write(to: URL(filePath: spaced.string))
      #expect(try await start(library: empty) == "it does not load the launcher's library")
      #expect(try await start(library: spaced).contains("space"))
      #expect(try await start(library: folder.appending("none.so")).contains("cannot be read"))

      // It is not FFmpeg, and sends nothing on the socket.
      let other = folder.appending("other")
      try copy("true", to: other)
      #expect(try await start(other.string, library: empty) == "it does not load the launcher's library")
    }
  }

  @Test func `a broken library only changes how FFmpeg is started`() async throws {
    let bytes = try Sample.telephone.bytes()
    try await Scratch.with { folder in
      let library = folder.appending("broken.so")
      try Data(repeating: 7, count: 5000).write(to: URL(filePath: library.string))
      let conversion = try await FFmpeg(library: library).convert(
        pieces(bytes), header: header(of: bytes), to: folder.appending("out.mp3"))
      #expect(conversion.decodedFrames == 33_600)
    }
  }
}
