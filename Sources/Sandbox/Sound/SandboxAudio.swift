import Model
import NIOCore

/// The audio file of one recording, readable from any position. Uses no memory besides shared tables.
package struct SandboxAudio: Sendable {
  /// The size of the file in bytes.
  package private(set) var totalBytes: Int
  /// The strong entity tag of the file, with quotation marks.
  package private(set) var entityTag: String
  private let header: ByteBuffer
  private let content: Content

  private enum Content: Sendable {
    case synthesised(TurnPlan, PhraseTable)
    case stored(ByteBuffer)
  }

  /// A call generated from a seed.
  init(format: WAVFormat, dataBytes: Int, seed: UInt64) {
    header = ByteBuffer(bytes: format.header(dataBytes: dataBytes))
    content = .synthesised(TurnPlan(seed: seed), .coded(in: format))
    totalBytes = header.readableBytes + dataBytes
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  /// Audio stored in memory, with the header of its format.
  init(format: WAVFormat, data: ByteBuffer, seed: UInt64) {
    header = ByteBuffer(bytes: format.header(dataBytes: data.readableBytes))
    content = .stored(data)
    totalBytes = header.readableBytes + data.readableBytes
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  /// Any bytes presented as a recording.
  init(bytes: [UInt8], seed: UInt64) {
    header = ByteBuffer(bytes: bytes)
    content = .stored(ByteBuffer())
    totalBytes = bytes.count
    entityTag = SandboxAudio.tag(seed, totalBytes)
  }

  private static func tag(_ seed: UInt64, _ total: Int) -> String {
    "\"\(String(StableHash.mix(seed &+ UInt64(total)), radix: 16))-\(total)\""
  }

  /// The same file truncated to this many bytes, presented as if it were complete.
  func shortened(to bytes: Int) -> SandboxAudio {
    var copy = self
    copy.totalBytes = max(0, min(bytes, totalBytes))
    copy.entityTag = SandboxAudio.tag(0x5407, copy.totalBytes)
    return copy
  }

  /// The bytes at these positions; positions beyond the end are omitted.
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

  /// The next pieces from a position on, at least `batch` bytes unless `end` comes first; they share memory with the
  /// tables.
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
    switch content {
    case .stored(let data): return slice(of: data, at: offset, limit: limit)
    case .synthesised(let plan, let table):
      let slot = plan.slot(offset / table.slotBytes)
      let phrase = slot.map { table.phrases[$0.voice][$0.number] } ?? table.silence
      return slice(of: phrase, at: offset % table.slotBytes, limit: limit)
    }
  }

  private func slice(of buffer: ByteBuffer, at offset: Int, limit: Int) -> ByteBuffer {
    buffer.getSlice(at: buffer.readerIndex + offset, length: min(limit, buffer.readableBytes - offset)) ?? ByteBuffer()
  }
}

/// Who speaks when in one call, computed for any moment independently of the others.
struct TurnPlan: Sendable {
  private let seed: UInt64
  private let agent: Int
  private let customer: Int

  init(seed: UInt64) {
    self.seed = seed
    var random = SeededRandom(seed: seed)
    agent = random.pick(VoiceBank.agents)
    customer = random.pick(VoiceBank.customers)
  }

  /// The voice and phrase in a slot of two seconds; nil for a pause.
  func slot(_ index: Int) -> (voice: Int, number: Int)? {
    // Five slots are one exchange: the agent speaks in the first one to four, the customer in the rest.
    let exchange = StableHash.mix(seed &+ UInt64(index / 5) &* 0x2545_F491_4F6C_DD1D)
    let agentSlots = 1 + Int(exchange % 4)
    let own = StableHash.mix(seed ^ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
    if index > 0, own % 11 == 0 { return nil }
    return (index % 5 < agentSlots ? agent : customer, Int((own >> 32) % UInt64(VoiceBank.phrasesPerVoice)))
  }
}
