import Audio
import Model
import Testing

struct WholenessCheckTests {
  /// 10 s of 8 kHz mono after a header of 44 bytes.
  private let header = WAVBytes.telephone(dataSize: 160_000, audio: 0)
  private let whole: Int64 = 160_044

  private func message(_ check: IntegrityCheck) -> String {
    switch check.result() {
    case .success(let passed): "passed: \(passed)"
    case .failure(let error): error.code == .incompleteRecording ? error.message : "\(error)"
    }
  }

  @Test func `a complete recording passes without warnings`() throws {
    let check = IntegrityCheck(
      firstBytes: header[...], fileLength: whole, declaredLength: whole, platformDuration: .seconds(11),
      decodedDuration: .milliseconds(10_010))
    let passed = try check.result().get()
    #expect(passed.duration == .seconds(10))
    // The container's size is unknown in this file, which gives no warning.
    #expect(passed.warnings.isEmpty)
  }

  @Test(arguments: [
    ("", "The platform sent an empty file."),
    ("<html><body>Sign in</body></html>", "The platform sent a web page instead of audio."),
    ("{\"message\": \"not found\"}", "The platform sent JSON instead of audio."),
    ("#EXTM3U\n/etc/passwd\n", "The platform sent a playlist instead of audio."),
    ("....ftypisom....", "The platform sent another file than WAV."),
    ("Gone.", "The platform sent 5 bytes that are not a recording."),
    ("RIFF....WAVEfmt ", "The file has 16 bytes and ends inside its WAV header."),
  ])
  func `a file that is not audio is rejected with its type`(text: String, message expected: String) {
    let bytes = Array(text.utf8)
    #expect(message(IntegrityCheck(firstBytes: bytes[...], fileLength: Int64(bytes.count))) == expected)
  }

  @Test func `a header without audio is rejected`() {
    #expect(
      message(IntegrityCheck(firstBytes: header[...], fileLength: 44))
        == "The file is a WAV header of 44 bytes without any audio.")
    let unknown = WAVBytes.telephone(dataSize: 0, audio: 0)
    #expect(
      message(IntegrityCheck(firstBytes: unknown[...], fileLength: 44))
        == "The file is a WAV header of 44 bytes without any audio.")
  }

  @Test(arguments: [45, 99_244, 160_043] as [Int64]) func `a truncated file is rejected`(length: Int64) {
    #expect(
      message(IntegrityCheck(firstBytes: header[...], fileLength: length))
        == "The WAV header announces 160,000 bytes of audio, but only \(grouped(length - 44)) arrived: the file was cut short."
    )
  }

  @Test func `a different size than announced is rejected`() {
    #expect(
      message(IntegrityCheck(firstBytes: header[...], fileLength: whole, declaredLength: whole + 1))
        == "The file has 160,044 bytes, but the platform announced 160,045.")
  }

  @Test func `audio shorter than the platform says is rejected beyond two seconds or two percent`() throws {
    let check = { (seconds: Double) in
      IntegrityCheck(firstBytes: header[...], fileLength: whole, platformDuration: .seconds(seconds))
    }
    _ = try check(12).result().get()
    #expect(message(check(12.1)) == "The audio lasts 10.0 s, but the platform says 12.1 s: it was cut short.")
    // 500 s compared with 510.2 s: two percent are 10.2 s.
    let long = WAVBytes.telephone(dataSize: 8_000_000, audio: 0)
    let check500 = { (seconds: Double) in
      IntegrityCheck(firstBytes: long[...], fileLength: 8_000_044, platformDuration: .seconds(seconds))
    }
    _ = try check500(510.2).result().get()
    #expect(message(check500(510.3)).hasSuffix("it was cut short."))
  }

  @Test func `audio longer than the platform says gives a warning`() throws {
    let check = IntegrityCheck(firstBytes: header[...], fileLength: whole, platformDuration: .seconds(7))
    #expect(try check.result().get().warnings == [.longerThanPlatform(.seconds(3))])
  }

  @Test func `audio that does not decode to its full length is rejected`() throws {
    let check = { (seconds: Double) in
      IntegrityCheck(firstBytes: header[...], fileLength: whole, decodedDuration: .seconds(seconds))
    }
    _ = try check(9.5).result().get()
    _ = try check(10.5).result().get()
    #expect(
      message(check(9.4)) == "Decoding gave 9.4 s of audio, but the file has 10.0 s: it is damaged.")
    #expect(message(check(10.6)).hasSuffix("it is damaged."))
  }

  @Test func `peculiarities of a complete file give warnings`() throws {
    let unknown = WAVBytes.telephone(dataSize: 0xFFFF_FFFF, audio: 0)
    let first = try IntegrityCheck(firstBytes: unknown[...], fileLength: whole, declaredLength: whole).result().get()
    #expect(first.warnings == [.lengthUnknown])
    #expect(first.duration == .seconds(10))
    var uneven = WAVBytes()
    uneven.add("fmt ", WAVBytes.format())
    uneven.add("data", Array(repeating: 0, count: 101))
    let second = try IntegrityCheck(firstBytes: uneven.bytes[...], fileLength: 145).result().get()
    #expect(second.warnings == [.unevenEnd])
  }

  @Test(arguments: [0, 0xFFFF_FFFF] as [UInt32])
  func `a file of unproven length is rejected, however much audio it has`(size: UInt32) throws {
    let unknown = WAVBytes.telephone(dataSize: size, audio: 0)
    var check = IntegrityCheck(firstBytes: unknown[...], fileLength: whole, isSecondFetch: true)
    #expect(message(check).hasSuffix("so it may have been cut short."))
    check.declaredLength = whole
    #expect(try check.result().get().warnings == [.lengthUnknown])
    // The container's length also proves completeness.
    check = IntegrityCheck(firstBytes: contained(in: whole, dataSize: size), fileLength: whole)
    #expect(try check.result().get().warnings == [.lengthUnknown])
    check.fileLength -= 1
    #expect(message(check).hasSuffix("the end is missing."))
  }

  @Test(arguments: [1, 7, 9, 50, 100_000] as [Int64])
  func `a container that ends after the file is rejected, even if all of the audio is there`(
    missing: Int64
  ) {
    for isSecondFetch in [false, true] {
      let check = IntegrityCheck(
        firstBytes: contained(in: whole + missing), fileLength: whole, isSecondFetch: isSecondFetch)
      #expect(
        message(check)
          == "The WAV container announces \(grouped(whole + missing)) bytes, but only \(grouped(whole)) arrived: the end is missing."
      )
    }
  }

  @Test(arguments: [1, 2, 59] as [Int64])
  func `surplus bytes are rejected once, and give a warning when they come again`(more: Int64) throws {
    var check = IntegrityCheck(firstBytes: contained(in: whole), fileLength: whole + more, declaredLength: whole + more)
    #expect(
      message(check)
        == "The WAV container ends after \(grouped(whole)) bytes, but \(grouped(whole + more)) bytes arrived.")
    check.isSecondFetch = true
    #expect(try check.result().get().warnings == [.containerTooShort(more)])
  }

  @Test func `common errors of writers that hide no truncation are accepted`() throws {
    // The container's own header of eight bytes is counted twice.
    #expect(try IntegrityCheck(firstBytes: contained(in: whole + 8), fileLength: whole).result().get().warnings == [])
    // The same number when text follows the audio: eight bytes of it are missing.
    let withText = IntegrityCheck(firstBytes: contained(in: whole + 58), fileLength: whole + 50)
    #expect(message(withText).hasSuffix("the end is missing."))
    // The padding byte of an odd length: counted but not written, or written but not counted.
    let odd = { (container: Int64, length: Int64) in
      IntegrityCheck(firstBytes: contained(in: container, dataSize: 159_999), fileLength: length)
    }
    #expect(try odd(whole, whole - 1).result().get().warnings == [.unevenEnd])
    #expect(try odd(whole - 1, whole).result().get().warnings == [.unevenEnd])
    #expect(message(odd(whole + 1, whole)).hasSuffix("the end is missing."))
  }

  /// The header of 10 s of audio with this container length.
  private func contained(in length: Int64, dataSize: UInt32 = 160_000) -> ArraySlice<UInt8> {
    var bytes = WAVBytes.telephone(dataSize: dataSize, audio: 0)
    bytes.replaceSubrange(4..<8, with: little(UInt32(length - 8)))
    return bytes[...]
  }

  @Test(
    arguments: [
      (20_000, nil, true), (60_000, nil, false), (59_700, nil, false), (59_000, nil, true), (61_000, nil, true),
      (20_000, 20_000, false),
    ] as [(Int, Int?, Bool)])
  func `a codec of unknown rate is checked by the frames in its header, unless the platform knows the duration`(
    decoded: Int, platform: Int?, isRefused: Bool
  ) throws {
    var file = WAVBytes()
    file.add("fmt ", WAVBytes.format(tag: 0x55))
    file.add("fact", little(UInt32(60 * 8000)))
    file.add("data", Array(repeating: 0, count: 4000))
    let check = IntegrityCheck(
      firstBytes: file.bytes[...], fileLength: Int64(file.bytes.count),
      platformDuration: platform.map { .milliseconds($0) }, decodedDuration: .milliseconds(decoded))
    if isRefused {
      #expect(message(check).hasSuffix("but the file has 60.0 s: it is damaged."))
    } else {
      #expect(try check.result().get().duration == .milliseconds(decoded))
    }
  }

  @Test func `a codec of unknown rate is checked by its decoded length`() throws {
    var file = WAVBytes()
    file.add("fmt ", WAVBytes.format(tag: 0x55))
    file.add("data", Array(repeating: 0, count: 4000))
    var check = IntegrityCheck(
      firstBytes: file.bytes[...], fileLength: Int64(file.bytes.count), platformDuration: .seconds(60))
    #expect(try check.result().get().duration == nil)
    check.decodedDuration = .seconds(20)
    #expect(message(check) == "The audio lasts 20.0 s, but the platform says 60.0 s: it was cut short.")
  }
}
