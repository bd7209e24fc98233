import Audio
import Model
import Testing

struct WholenessCheckTests {
  /// 10 s of 8 kHz mono behind a header of 44 bytes.
  private let header = WAVBytes.telephone(dataSize: 160_000, audio: 0)
  private let whole: Int64 = 160_044

  private func message(_ check: WholenessCheck) -> String {
    switch check.result() {
    case .success(let passed): "passed: \(passed)"
    case .failure(let error): error.code == .notAWholeRecording ? error.message : "\(error)"
    }
  }

  @Test func `a whole recording passes without remarks`() throws {
    let check = WholenessCheck(
      firstBytes: header[...], fileLength: whole, declaredLength: whole, platformDuration: .seconds(11),
      decodedDuration: .milliseconds(10_010))
    let passed = try check.result().get()
    #expect(passed.duration == .seconds(10))
    // The container's size is unknown in this file, which is no reason to complain.
    #expect(passed.warnings.isEmpty)
  }

  @Test(arguments: [
    ("", "The platform sent an empty file."),
    ("<html><body>Sign in</body></html>", "The platform sent a web page instead of audio."),
    ("{\"message\": \"not found\"}", "The platform sent JSON instead of audio."),
    ("#EXTM3U\n/etc/passwd\n", "The platform sent a playlist instead of audio."),
    ("....ftypisom....", "The platform sent an MP4 file, which this source should not."),
    ("Gone.", "The platform sent 5 bytes that are not a WAV file."),
    ("RIFF....WAVEfmt ", "The file has 16 bytes and ends inside its WAV header."),
  ])
  func `what is no audio is refused by name`(text: String, sentence: String) {
    let bytes = Array(text.utf8)
    #expect(message(WholenessCheck(firstBytes: bytes[...], fileLength: Int64(bytes.count))) == sentence)
  }

  @Test func `a header alone is refused`() {
    #expect(
      message(WholenessCheck(firstBytes: header[...], fileLength: 44))
        == "The file is a WAV header of 44 bytes without any audio.")
    let unknown = WAVBytes.telephone(dataSize: 0, audio: 0)
    #expect(
      message(WholenessCheck(firstBytes: unknown[...], fileLength: 44))
        == "The file is a WAV header of 44 bytes without any audio.")
  }

  @Test(arguments: [45, 99_244, 160_043] as [Int64]) func `a file cut short is refused`(length: Int64) {
    #expect(
      message(WholenessCheck(firstBytes: header[...], fileLength: length))
        == "The WAV header announces 160000 bytes of audio, but only \(length - 44) are there: the file was cut short.")
  }

  @Test func `a byte count that was not announced is refused`() {
    #expect(
      message(WholenessCheck(firstBytes: header[...], fileLength: whole, declaredLength: whole + 1))
        == "The file has 160044 bytes, but the platform announced 160045.")
  }

  @Test func `shorter than the platform says is refused beyond two seconds or two percent`() throws {
    let check = { (seconds: Double) in
      WholenessCheck(firstBytes: header[...], fileLength: whole, platformDuration: .seconds(seconds))
    }
    _ = try check(12).result().get()
    #expect(message(check(12.1)) == "The audio lasts 10.0 s, but the platform says 12.1 s: it was cut short.")
    // 500 s against 510.2 s: two percent are 10.2 s.
    let long = WAVBytes.telephone(dataSize: 8_000_000, audio: 0)
    let check500 = { (seconds: Double) in
      WholenessCheck(firstBytes: long[...], fileLength: 8_000_044, platformDuration: .seconds(seconds))
    }
    _ = try check500(510.2).result().get()
    #expect(message(check500(510.3)).hasSuffix("it was cut short."))
  }

  @Test func `longer than the platform says is only remarked`() throws {
    let check = WholenessCheck(firstBytes: header[...], fileLength: whole, platformDuration: .seconds(7))
    #expect(try check.result().get().warnings == [.longerThanPlatform(.seconds(3))])
  }

  @Test func `audio that does not decode to its length is refused`() throws {
    let check = { (seconds: Double) in
      WholenessCheck(firstBytes: header[...], fileLength: whole, decodedDuration: .seconds(seconds))
    }
    _ = try check(9.5).result().get()
    _ = try check(10.5).result().get()
    #expect(
      message(check(9.4)) == "Decoding gave 9.4 s of audio, but the file holds 10.0 s: part of it is damaged.")
    #expect(message(check(10.6)).hasSuffix("part of it is damaged."))
  }

  @Test func `oddities of a whole file are remarked`() throws {
    let unknown = WAVBytes.telephone(dataSize: 0xFFFF_FFFF, audio: 0)
    let first = try WholenessCheck(firstBytes: unknown[...], fileLength: whole, declaredLength: whole).result().get()
    #expect(first.warnings == [.lengthUnknown])
    #expect(first.duration == .seconds(10))
    var uneven = WAVBytes()
    uneven.add("fmt ", WAVBytes.format())
    uneven.add("data", Array(repeating: 0, count: 101))
    let second = try WholenessCheck(firstBytes: uneven.bytes[...], fileLength: 145).result().get()
    #expect(second.warnings == [.unevenEnd])
  }

  @Test(arguments: [0, 0xFFFF_FFFF] as [UInt32])
  func `a file whose end nothing proves is refused, however much audio it holds`(size: UInt32) throws {
    let unknown = WAVBytes.telephone(dataSize: size, audio: 0)
    var check = WholenessCheck(firstBytes: unknown[...], fileLength: whole, isSecondFetch: true)
    #expect(message(check).hasSuffix("so it may have been cut short."))
    check.declaredLength = whole
    #expect(try check.result().get().warnings == [.lengthUnknown])
    // The container's length is a proof as well.
    check = WholenessCheck(firstBytes: contained(in: whole, dataSize: size), fileLength: whole)
    #expect(try check.result().get().warnings == [.lengthUnknown])
    check.fileLength -= 1
    #expect(message(check).hasSuffix("the end is missing."))
  }

  @Test(arguments: [1, 7, 9, 50, 100_000] as [Int64])
  func `a container that goes on after the end of the file is refused, though all of the audio is there`(
    missing: Int64
  ) {
    for isSecondFetch in [false, true] {
      let check = WholenessCheck(
        firstBytes: contained(in: whole + missing), fileLength: whole, isSecondFetch: isSecondFetch)
      #expect(
        message(check)
          == "The WAV container announces \(whole + missing) bytes, but only \(whole) are there: the end is missing.")
    }
  }

  @Test(arguments: [1, 2, 59] as [Int64])
  func `what follows the container's end is refused once, and remarked when it comes again`(more: Int64) throws {
    var check = WholenessCheck(firstBytes: contained(in: whole), fileLength: whole + more, declaredLength: whole + more)
    #expect(message(check) == "The WAV container ends after \(whole) bytes, but \(whole + more) came.")
    check.isSecondFetch = true
    #expect(try check.result().get().warnings == [.containerTooShort(more)])
  }

  @Test func `the errors of many writers, which hide no cut, are passed over`() throws {
    // The eight bytes of its own head counted twice.
    #expect(try WholenessCheck(firstBytes: contained(in: whole + 8), fileLength: whole).result().get().warnings == [])
    // The same number where text followed the audio: eight bytes of it are missing.
    let withText = WholenessCheck(firstBytes: contained(in: whole + 58), fileLength: whole + 50)
    #expect(message(withText).hasSuffix("the end is missing."))
    // The padding byte of an odd length: counted and not written, written and not counted.
    let odd = { (container: Int64, length: Int64) in
      WholenessCheck(firstBytes: contained(in: container, dataSize: 159_999), fileLength: length)
    }
    #expect(try odd(whole, whole - 1).result().get().warnings == [.unevenEnd])
    #expect(try odd(whole - 1, whole).result().get().warnings == [.unevenEnd])
    #expect(message(odd(whole + 1, whole)).hasSuffix("the end is missing."))
  }

  /// The header of 10 s, whose container says that it has this length.
  private func contained(in length: Int64, dataSize: UInt32 = 160_000) -> ArraySlice<UInt8> {
    var bytes = WAVBytes.telephone(dataSize: dataSize, audio: 0)
    bytes.replaceSubrange(4..<8, with: little(UInt32(length - 8)))
    return bytes[...]
  }

  @Test func `a code of unknown rate is judged by what was decoded`() throws {
    var file = WAVBytes()
    file.add("fmt ", WAVBytes.format(tag: 0x55))
    file.add("data", Array(repeating: 0, count: 4000))
    var check = WholenessCheck(
      firstBytes: file.bytes[...], fileLength: Int64(file.bytes.count), platformDuration: .seconds(60))
    #expect(try check.result().get().duration == nil)
    check.decodedDuration = .seconds(20)
    #expect(message(check) == "The audio lasts 20.0 s, but the platform says 60.0 s: it was cut short.")
  }
}
