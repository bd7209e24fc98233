import Model
import NIOCore

/// Joins what the network brings to pieces worth a write: 256 KiB, or what came within a quarter of a second.
struct Pieces {
  static let size = 256 << 10
  static let patience: Duration = .milliseconds(250)

  /// What is not written yet.
  private(set) var held = ByteBuffer()
  private var heldSince: Instant
  private let now: @Sendable () -> Instant

  init(now: @escaping @Sendable () -> Instant) {
    self.now = now
    heldSince = now()
  }

  /// Whether it is time to write.
  mutating func add(_ chunk: ByteBuffer) -> Bool {
    if held.readableBytes == 0 {
      held = chunk
    } else {
      // Room for the whole piece at once, instead of by doubling.
      if held.writableBytes < chunk.readableBytes { held.reserveCapacity(Self.size + chunk.readableBytes) }
      held.writeImmutableBuffer(chunk)
    }
    return held.readableBytes >= Self.size || now() - heldSince >= Self.patience
  }

  /// What is to be written; nothing is held afterwards.
  mutating func take() -> ByteBuffer {
    heldSince = now()
    defer { held = ByteBuffer() }
    return held
  }
}
