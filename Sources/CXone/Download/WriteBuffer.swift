import Model
import NIOCore

/// Collects received bytes into larger writes: 256 KiB, or what arrives within a quarter of a second.
struct WriteBuffer {
  static let size = 256 << 10
  static let maxDelay: Duration = .milliseconds(250)

  /// Bytes that are not written yet.
  private(set) var held = ByteBuffer()
  private var heldSince: Instant
  private let now: @Sendable () -> Instant

  init(now: @escaping @Sendable () -> Instant) {
    self.now = now
    heldSince = now()
  }

  /// Adds bytes; returns whether to write now.
  mutating func add(_ chunk: ByteBuffer) -> Bool {
    if held.readableBytes == 0 {
      held = chunk
    } else {
      // Reserves the full size once instead of growing by doubling.
      if held.writableBytes < chunk.readableBytes { held.reserveCapacity(Self.size + chunk.readableBytes) }
      held.writeImmutableBuffer(chunk)
    }
    return held.readableBytes >= Self.size || now() - heldSince >= Self.maxDelay
  }

  /// Returns and removes the collected bytes.
  mutating func take() -> ByteBuffer {
    heldSince = now()
    defer { held = ByteBuffer() }
    return held
  }
}
