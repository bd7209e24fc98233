import Catalog
import Model
import Synchronization

/// Recordings whose last read failed although the store was available. Kept in memory only.
final class UnreadableRecordings: Sendable {
  private let keys = Mutex<[Int64: RecordingKey]>([:])

  /// By row number.
  var all: [Int64: RecordingKey] { keys.withLock { $0 } }

  func insert(_ recordings: [ArchivedRecording]) {
    keys.withLock { keys in
      for recording in recordings { keys[recording.id] = recording.key }
    }
  }

  func remove(_ id: Int64) { keys.withLock { _ = $0.removeValue(forKey: id) } }
}
