import Foundation
package import Model
import NIOHTTP1

extension S3ObjectStore {
  /// A folder with more pages than this, a million objects, is a listing that does not end.
  private static let maxPages = 1000

  package func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    let root = settings.key("")
    var objects: [ListedObject] = []
    var token: String?
    for _ in 0..<Self.maxPages {
      var query = [("encoding-type", "url"), ("list-type", "2"), ("prefix", "\(root)\(folder)/")]
      if let token { query.append(("continuation-token", token)) }
      let answer = try await client.success(
        of: S3Call(method: .GET, key: "", query: query), doing: "list objects")
      let page: ListPage
      do { page = try ListPage(answer.bytes) } catch { throw client.failure(answer, "list objects") }
      objects += page.entries.compactMap { entry in
        guard entry.key.hasPrefix(root), let name = ObjectName(rawValue: String(entry.key.dropFirst(root.count))),
          name.folder == folder
        else { return nil }
        return ListedObject(name: name, bytes: entry.bytes, changedAt: entry.changedAt)
      }
      guard let next = page.next else { return objects }
      if next == token { break }
      token = next
    }
    throw TapedeckError(
      .storageFailed, "The object store's listing does not end.", detail: "folder \(folder)")
  }
}

/// One page of a ListObjectsV2 response.
struct ListPage: Sendable {
  struct Entry: Sendable, Equatable {
    var key: String
    var bytes: Int64
    var changedAt: Instant
  }

  var entries: [Entry] = []
  /// The continuation token of the next page; nil on the last page.
  var next: String?

  /// Parses a `ListBucketResult`; throws `XMLScanner.Malformed` for anything else.
  init(_ bytes: [UInt8]) throws(XMLScanner.Malformed) {
    var entry: (key: String?, bytes: Int64?, changedAt: Instant?)
    var isTruncated: Bool?
    var isEncoded = false
    var token: String?
    try XMLScanner.forEachElement(in: bytes) { path, text throws(XMLScanner.Malformed) in
      guard path.first == "ListBucketResult" else { throw XMLScanner.Malformed() }
      switch path.dropFirst().joined(separator: "/") {
      case "IsTruncated": isTruncated = text == "true" ? true : text == "false" ? false : nil
      case "EncodingType": isEncoded = text == "url"
      case "NextContinuationToken": token = text
      case "Contents/Key": entry.key = text
      case "Contents/Size": entry.bytes = byteCount(text)
      case "Contents/LastModified": entry.changedAt = Instant(iso8601: text)
      case "Contents":
        guard let key = entry.key, let bytes = entry.bytes, let changedAt = entry.changedAt else {
          throw XMLScanner.Malformed()
        }
        entries.append(Entry(key: key, bytes: bytes, changedAt: changedAt))
        entry = (nil, nil, nil)
      default: break
      }
    }
    guard let isTruncated, !isTruncated || token?.isEmpty == false else { throw XMLScanner.Malformed() }
    next = isTruncated ? token : nil
    // `EncodingType` may come after the entries.
    guard isEncoded else { return }
    for index in entries.indices {
      let spaced = entries[index].key.replacing("+", with: " ")
      guard let key = spaced.removingPercentEncoding else { throw XMLScanner.Malformed() }
      entries[index].key = key
    }
  }
}
