import Foundation

/// A row of the platform's list that cannot be counted as a recording of the listed day: it has no usable ID, or the
/// call that it names began on another day.
package struct UnidentifiedRow: Sendable, Equatable {
  /// The position in the list, counted from 1.
  package var position: Int
  /// Why it is not counted as a recording of that day, as a sentence.
  package var reason: String
  /// The start of the call, where the row reports it; not stored.
  package var startTime: Instant?
  /// Equal for rows of equal text; not stored.
  package var fingerprint: String

  package init(position: Int, reason: String, startTime: Instant? = nil, fingerprint: String = "") {
    self.position = position
    self.reason = reason
    self.startTime = startTime
    self.fingerprint = fingerprint
  }

  /// The 64-bit FNV-1a hash of a row's text in hexadecimal. It finds the same row in a later list; it proves nothing.
  package static func fingerprint(of text: some Sequence<UInt8>) -> String {
    String(StableHash.fnv1a(text), radix: 16)
  }
}

/// The unidentified rows in the lists of several periods: how many, and where the first of them are.
package struct UnidentifiedRows: Sendable, Equatable, Codable {
  package struct Located: Sendable, Equatable, Codable {
    /// The start of the listed period, in ISO 8601.
    package var listFrom: String
    /// The position in the list of that period, counted from 1.
    package var position: Int
    /// The reason of the row.
    package var reason: String
  }

  /// The maximum number of rows that are located; the others are only counted.
  package static let maxLocated = 20

  package private(set) var count: Int
  package private(set) var first: [Located]

  package init() { (count, first) = (0, []) }

  /// - Parameters:
  ///   - rows: with their positions on one page.
  ///   - offset: the number of rows on the pages before it.
  package init(_ rows: [UnidentifiedRow], after offset: Int = 0, in period: Period) {
    count = rows.count
    first = rows.prefix(Self.maxLocated).map {
      Located(listFrom: period.start.iso8601, position: offset + $0.position, reason: $0.reason)
    }
  }

  /// Reads what `json` has written; anything else counts as none.
  package init(json: String) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self()
  }

  package var json: String { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}" }

  package mutating func add(_ other: UnidentifiedRows) {
    count += other.count
    first += other.first.prefix(Self.maxLocated - first.count)
  }
}
