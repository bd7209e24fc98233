package import Model

/// One of the 256 folders that objects are spread over, by the first two digits of their hash.
package struct ObjectFolder: Sendable, Hashable, CustomStringConvertible {
  /// `00` to `ff`, in that order.
  package static let all = (UInt8.min ... .max).map { ObjectFolder(description: hex([$0])) }

  package let description: String

  private init(description: String) { self.description = description }

  init(of key: ObjectKey) { description = String(key.sha256.prefix(2)) }
}

extension ObjectKey {
  package var folder: ObjectFolder { ObjectFolder(of: self) }
}

/// An object as a listing has it.
package struct ListedObject: Sendable, Hashable {
  package var key: ObjectKey
  package var bytes: Int64
  /// When it was stored.
  package var changedAt: Instant

  package init(key: ObjectKey, bytes: Int64, changedAt: Instant) {
    self.key = key
    self.bytes = bytes
    self.changedAt = changedAt
  }
}

extension Instant {
  /// As part of a file's name, in the order of time: `2026-01-15T120000.000Z`.
  var fileName: String { iso8601Milliseconds.filter { $0 != ":" } }
}
