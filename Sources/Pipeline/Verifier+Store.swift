import Catalog
import Model
import ObjectStorage

/// How a store that is away is told from files that are lost or cannot be read.
extension Verifier {
  /// So many recordings that cannot be read, one after the other, may be no accident of single files.
  static let unreadableLimit = 3

  /// A store that has nothing of the oldest recordings is rather one that is away: a disk that is not mounted, another
  /// bucket. Newer ones prove nothing, since ingests go on and store into the empty folder. The younger half of an
  /// archive that is small counts as new.
  ///
  /// - Throws: `storageFailed` when it is away or cannot be listed, `catalogFailed`, `interrupted`.
  func requireStore() async throws(TapedeckError) {
    let olderHalf = (try await catalog.archivedCount() + 1) / 2
    for old in try await catalog.archivedRecordings(after: 0, limit: Int(min(64, olderHalf))) {
      for file in ArchivedFile.all(of: try await catalog.archived(old.key)?.parts ?? []) {
        guard let key = ObjectKey(file.key) else { continue }
        // From the listing: an object that is held open may be of a disk that is gone.
        if try await store.objects(in: key.folder).contains(where: { $0.key == key }) { return }
      }
    }
    throw TapedeckError(
      .storageFailed,
      "The object store has none of the oldest recordings, though the catalog has them. Is its disk mounted, is it the right bucket? Nothing was changed. If the files are really lost, name the recordings: 'tapedeck verify ID…'."
    )
  }

  /// A store that gives no file of recordings all over the archive is away. That it can be written or listed proves
  /// nothing, and neither does it that it cannot: a full disk gives its files, and a broken one may take new ones.
  ///
  /// - Throws: `storageFailed` when it is away, `catalogFailed`, `interrupted`.
  func requireReadable() async throws(TapedeckError) {
    for key in try await sample() {
      for part in try await catalog.archived(key)?.parts ?? [] {
        // The smallest of a recording's files.
        guard let peaks = ObjectKey(part.peaks.key) else { continue }
        do throws(TapedeckError) {
          _ = try await store.sha256(of: peaks)
          return
        } catch {
          if error.code == .interrupted { throw error }
        }
      }
    }
    throw TapedeckError(
      .storageFailed,
      "The object store cannot be read. Check its disk or its address; the reason is in the log. Nothing was changed.")
  }

  /// Up to 16 recordings, some near each other and some far apart, the newest first: what is unreadable lies together.
  private func sample() async throws(TapedeckError) -> [RecordingKey] {
    var steps: [RecordingKey] = []
    var last: Int64 = 0
    while let next = try await catalog.archivedRecordings(after: last, limit: 1).first {
      steps.append(next.key)
      last = next.id + next.id / 4
    }
    return stride(from: steps.count - 1, through: 0, by: -(1 + steps.count / 16)).map { steps[$0] }
  }
}
