import Catalog
import Model
import ObjectStorage

/// How an unavailable store is distinguished from files that are lost or cannot be read.
extension Verifier {
  /// After this many unreadable recordings in a row, the whole store may be unavailable.
  static let unreadableLimit = 3

  /// Checks that at least one file of a sample from all over the archive can be read. Whether the store can be written
  /// or listed proves nothing: a full disk can be read, and a broken one may accept new files.
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

  /// Up to 16 recordings, some close together and some far apart, the newest first: unreadable files are often
  /// adjacent.
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
