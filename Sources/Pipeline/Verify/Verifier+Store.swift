import Catalog
import Model
import ObjectStorage

/// How an unavailable store is distinguished from files that are lost or cannot be read.
extension Verifier {
  /// After this many unreadable recordings in a row, the whole store may be unavailable.
  static let unreadableLimit = 3

  /// Checks that a store has at least one object of the oldest recordings. If it has none, its disk is probably not mounted,
  /// or it is the wrong bucket. Newer recordings prove nothing, since ingests continue and store into the empty folder; in a small
  /// archive the younger half counts as new.
  ///
  /// - Throws: `storageFailed` when the store is unavailable or cannot be listed, `catalogFailed`, `interrupted`.
  static func requireStore(_ store: any ObjectStore, of catalog: Catalog) async throws(TapedeckError) {
    let olderHalf = (try await catalog.archivedCount() + 1) / 2
    for old in try await catalog.archivedRecordings(after: 0, limit: Int(min(64, olderHalf))) {
      for file in ArchivedFile.all(of: try await catalog.archived(old.key)?.parts ?? []) {
        // From the listing: an open file may be on a disk that is no longer mounted.
        if try await store.objects(in: file.name.folder).contains(where: { $0.name == file.name }) { return }
      }
    }
    throw TapedeckError(
      .storageFailed,
      "The object store has none of the oldest recordings, but the catalog has them. Check that its disk is mounted or that it is the right bucket. Nothing was changed. If the files are really lost, name the recordings: 'tapedeck verify ID…'."
    )
  }

  /// Checks that at least one file of a sample from all over the archive can be read. Whether the store can be written or
  /// listed proves nothing: a full disk can be read, and a broken one may accept new files.
  ///
  /// - Throws: `storageFailed` when the store is unavailable, `catalogFailed`, `interrupted`.
  func requireReadable() async throws(TapedeckError) {
    for key in try await sample() {
      for part in try await catalog.archived(key)?.parts ?? [] {
        // The smallest file of a recording.
        do throws(TapedeckError) {
          _ = try await store.content(of: part.peaks.name)
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

  /// Up to 16 recordings, some close together and some far apart, the newest first: unreadable files are often adjacent.
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
