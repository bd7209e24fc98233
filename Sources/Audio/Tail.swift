/// The last bytes of a stream that may be endless.
struct Tail: Sendable {
  let limit: Int
  private var bytes: [UInt8] = []

  init(limit: Int) { self.limit = limit }

  mutating func append(_ more: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: more.suffix(limit))
    if bytes.count > limit { bytes.removeFirst(bytes.count - limit) }
  }

  /// What was kept, as text.
  var text: String { String(decoding: bytes, as: UTF8.self) }
}
