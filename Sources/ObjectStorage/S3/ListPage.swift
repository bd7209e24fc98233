import Foundation
import Model

/// One page of ListObjectsV2.
struct ListPage: Sendable {
  struct Entry: Sendable, Equatable {
    var name: String
    var bytes: Int64
    var changedAt: Instant
  }

  var entries: [Entry] = []
  /// Where the next page begins; nil on the last one.
  var next: String?

  /// Reads `ListBucketResult`. Throws `TagScanner.Malformed` for anything else.
  init(_ bytes: [UInt8]) throws(TagScanner.Malformed) {
    var entry: (name: String?, bytes: Int64?, changedAt: Instant?)
    var isTruncated: Bool?
    var isEncoded = false
    var token: String?
    try TagScanner.forEachElement(in: bytes) { path, text throws(TagScanner.Malformed) in
      guard path.first == "ListBucketResult" else { throw TagScanner.Malformed() }
      switch path.dropFirst().joined(separator: "/") {
      case "IsTruncated": isTruncated = text == "true" ? true : text == "false" ? false : nil
      case "EncodingType": isEncoded = text == "url"
      case "NextContinuationToken": token = text
      case "Contents/Key": entry.name = text
      case "Contents/Size": entry.bytes = byteCount(text)
      case "Contents/LastModified": entry.changedAt = Instant(iso8601: text)
      case "Contents":
        guard let name = entry.name, let bytes = entry.bytes, let changedAt = entry.changedAt else {
          throw TagScanner.Malformed()
        }
        entries.append(Entry(name: name, bytes: bytes, changedAt: changedAt))
        entry = (nil, nil, nil)
      default: break
      }
    }
    guard let isTruncated, !isTruncated || token?.isEmpty == false else { throw TagScanner.Malformed() }
    next = isTruncated ? token : nil
    // The word that says so may come behind the entries.
    guard isEncoded else { return }
    for index in entries.indices {
      let spaced = entries[index].name.replacing("+", with: " ")
      guard let name = spaced.removingPercentEncoding else { throw TagScanner.Malformed() }
      entries[index].name = name
    }
  }
}
