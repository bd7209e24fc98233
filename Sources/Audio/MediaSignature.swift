/// The type of a file according to its first bytes, regardless of its name and media type.
package enum MediaSignature: String, Sendable, CaseIterable {
  case wave, wave64, mp4, mp3, ogg, flac, amr
  /// HTML or XML.
  case html
  case json
  /// HLS or ffconcat: text that would make FFmpeg open other files.
  case playlist
  case empty
  case unknown

  /// Examines the first bytes of a file; 512 are sufficient, or 12 after an ID3v2 tag.
  package init(_ bytes: some Collection<UInt8>) {
    let head = Array(bytes.prefix(512))
    guard !head.isEmpty else {
      self = .empty
      return
    }
    let container = bytes.dropFirst(Self.id3Length(bytes)).prefix(12)
    let text = head.drop { [0xEF, 0xBB, 0xBF, 0x20, 0x09, 0x0A, 0x0D].contains($0) }
    if ["RIFF", "RIFX", "RF64", "BW64"].contains(where: { container.starts(with: $0.utf8) }) {
      self = container.dropFirst(8).starts(with: "WAVE".utf8) ? .wave : .unknown
    } else if head.dropFirst(4).starts(with: "ftyp".utf8) {
      self = .mp4
    } else if head.starts(with: Self.wave64Name) {
      self = .wave64
    } else if head.starts(with: "OggS".utf8) {
      self = .ogg
    } else if container.starts(with: "fLaC".utf8) {
      self = .flac
    } else if head.starts(with: "#!AMR\n".utf8) || head.starts(with: "#!AMR-WB\n".utf8) {
      self = .amr
    } else if MP3Frame(Array(container)) != nil || (container.isEmpty && Self.id3Length(bytes) > 0) {
      self = .mp3
    } else if text.starts(with: "#EXTM3U".utf8) || text.starts(with: "ffconcat".utf8) {
      self = .playlist
    } else if text.first == UInt8(ascii: "<") {
      self = .html
    } else if text.first == UInt8(ascii: "{") || text.first == UInt8(ascii: "[") {
      self = .json
    } else {
      self = .unknown
    }
  }

  /// The container; nil for anything that is not audio.
  package var container: MediaContainer? {
    switch self {
    case .wave: .wav
    case .wave64: .w64
    case .mp4: .mp4
    case .mp3: .mp3
    case .ogg: .ogg
    case .flac: .flac
    case .amr: .amr
    case .html, .json, .playlist, .empty, .unknown: nil
    }
  }

  /// The name of the outermost part of a Wave64 file.
  private static let wave64Name: [UInt8] = [
    0x72, 0x69, 0x66, 0x66, 0x2E, 0x91, 0xCF, 0x11, 0xA5, 0xD6, 0x28, 0xDB, 0x04, 0xC1, 0, 0,
  ]

  /// The length of the ID3v2 tag at the start of a file; 0 where there is none.
  package static func id3Length(_ bytes: some Collection<UInt8>) -> Int {
    let head = Array(bytes.prefix(10))
    guard head.count == 10, head.starts(with: "ID3".utf8), head[6...].allSatisfy({ $0 < 0x80 }) else { return 0 }
    return 10 + head[6...].reduce(0) { $0 << 7 | Int($1) } + (head[5] & 0x10 == 0 ? 0 : 10)
  }
}
