package import Model
import NIOHTTP1

extension S3ObjectStore {
  /// More pages than this in one folder, a million objects, are a listing that goes in circles.
  private static let mostPages = 1000

  package func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    let root = settings.name("")
    var objects: [ListedObject] = []
    var token: String?
    for _ in 0..<Self.mostPages {
      var query = [("encoding-type", "url"), ("list-type", "2"), ("prefix", "\(root)\(folder)/")]
      if let token { query.append(("continuation-token", token)) }
      let answer = try await line.success(
        of: S3Call(method: .GET, name: "", query: query), doing: "list objects")
      let page: ListPage
      do { page = try ListPage(answer.bytes) } catch { throw line.failure(answer, "list objects") }
      objects += page.entries.compactMap { entry in
        guard entry.name.hasPrefix(root), let key = ObjectKey(String(entry.name.dropFirst(root.count))),
          key.folder == folder
        else { return nil }
        return ListedObject(key: key, bytes: entry.bytes, changedAt: entry.changedAt)
      }
      guard let next = page.next else { return objects }
      if next == token { break }
      token = next
    }
    throw TapedeckError(
      .storageFailed, "The object store's listing does not come to an end.", detail: "folder \(folder)")
  }
}
