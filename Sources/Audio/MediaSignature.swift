/// The type of a file according to its first bytes, regardless of its name and media type.
package enum MediaSignature: String, Sendable, CaseIterable {
  case wave
  /// HTML or XML.
  case html
  case json
  /// HLS or ffconcat: text that would make FFmpeg open other files.
  case playlist
  case mp4
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

  /// The length of the ID3v2 tag at the start of a file; 0 where there is none.
  static func id3Length(_ bytes: some Collection<UInt8>) -> Int {
    let head = Array(bytes.prefix(10))
    guard head.count == 10, head.starts(with: "ID3".utf8), head[6...].allSatisfy({ $0 < 0x80 }) else { return 0 }
    return 10 + head[6...].reduce(0) { $0 << 7 | Int($1) } + (head[5] & 0x10 == 0 ? 0 : 10)
  }
}
