package import Model

/// One of the 256 folders that objects are spread over, by the first two digits of their names.
package struct ObjectFolder: Sendable, Hashable, CustomStringConvertible {
  /// `00` to `ff`, in that order.
  package static let all = (UInt8.min ... .max).map { ObjectFolder(description: hex([$0])) }

  package let description: String

  private init(description: String) { self.description = description }

  init(of name: ObjectName) { description = String(name.digits.prefix(2)) }
}

extension ObjectName {
  package var folder: ObjectFolder { ObjectFolder(of: self) }
}

/// An object as a listing shows it.
package struct ListedObject: Sendable, Hashable {
  package var name: ObjectName
  package var bytes: Int64
  /// When it was stored.
  package var changedAt: Instant

  package init(name: ObjectName, bytes: Int64, changedAt: Instant) {
    self.name = name
    self.bytes = bytes
    self.changedAt = changedAt
  }
}

extension Instant {
  /// As part of a file's name, sorted by time: `2026-01-15T120000.000Z`.
  var fileName: String { iso8601Milliseconds.filter { $0 != ":" } }
}
