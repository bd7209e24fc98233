import NIOCore

/// The bytes of one recording as the sandbox serves them, readable from any position. Nothing is held but shared tables.
package struct SandboxAudio: Sendable {
  /// The size of the file.
  package private(set) var totalBytes: Int
  /// The strong entity tag of these bytes, with its quotation marks.
  package private(set) var entityTag: String
  private let header: ByteBuffer
  private let sound: Sound

  private enum Sound: Sendable {
    case synthesised(TurnPlan, PhraseTable)
    case held(ByteBuffer)
  }

  /// A call made up from a seed.
  init(format: WAVFormat, dataBytes: Int, seed: UInt64) {
    header = ByteBuffer(bytes: format.header(dataBytes: dataBytes))
    sound = .synthesised(TurnPlan(seed: seed), .coded(in: format))
    totalBytes = header.readableBytes + dataBytes
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  /// Sound that is held in memory, with the header of its format.
  init(format: WAVFormat, data: ByteBuffer, seed: UInt64) {
    header = ByteBuffer(bytes: format.header(dataBytes: data.readableBytes))
    sound = .held(data)
    totalBytes = header.readableBytes + data.readableBytes
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  /// Any bytes that pretend to be a recording.
  init(bytes: [UInt8], seed: UInt64) {
    header = ByteBuffer(bytes: bytes)
    sound = .held(ByteBuffer())
    totalBytes = bytes.count
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  private static func tag(_ seed: UInt64, _ total: Int) -> String {
    "\"\(String(Dice.mix(seed &+ UInt64(total)), radix: 16))-\(total)\""
  }

  /// The same file, cut off after so many bytes, as if that were all of it.
  func shortened(to bytes: Int) -> SandboxAudio {
    var copy = self
    copy.totalBytes = max(0, min(bytes, totalBytes))
    copy.entityTag = SandboxAudio.tag(0x5407, copy.totalBytes)
    return copy
  }

  /// The bytes at these positions; positions beyond the end are left out.
  package func read(_ range: Range<Int>) -> [UInt8] {
    let range = range.clamped(to: 0..<totalBytes)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    var position = range.lowerBound
    while position < range.upperBound {
      let piece = piece(at: position, limit: range.upperBound - position)
      bytes += piece.readableBytesView
      position += piece.readableBytes
    }
    return bytes
  }

  /// The next pieces from a position on, at least `batch` bytes of them unless `end` comes first; shares memory with
  /// the tables.
  func pieces(at position: Int, end: Int, batch: Int) -> [ByteBuffer] {
    var pieces: [ByteBuffer] = []
    var position = position
    let enough = position + batch
    while position < min(end, enough) {
      let piece = piece(at: position, limit: end - position)
      pieces.append(piece)
      position += piece.readableBytes
    }
    return pieces
  }

  private func piece(at position: Int, limit: Int) -> ByteBuffer {
    if position < header.readableBytes {
      return slice(of: header, at: position, limit: limit)
    }
    let offset = position - header.readableBytes
    switch sound {
    case .held(let data): return slice(of: data, at: offset, limit: limit)
    case .synthesised(let plan, let table):
      let heard = plan.slot(offset / table.slotBytes)
      let phrase = heard.map { table.phrases[$0.voice][$0.number] } ?? table.silence
      return slice(of: phrase, at: offset % table.slotBytes, limit: limit)
    }
  }

  private func slice(of buffer: ByteBuffer, at offset: Int, limit: Int) -> ByteBuffer {
    buffer.getSlice(at: buffer.readerIndex + offset, length: min(limit, buffer.readableBytes - offset)) ?? ByteBuffer()
  }
}
