package import Model
import Synchronization

/// Remembers who opened which recording's page in the last 15 minutes. What the page loads afterwards, such as the
/// waveform, belongs to that view and has no log entry of its own.
package final class RecentViews: Sendable {
  private struct Key: Hashable {
    var actor: String
    var recording: RecordingKey
  }

  private let views = Mutex<[Key: Instant]>([:])
  private let lasting: Duration = .seconds(900)
  private let maximumEntries = 10_000

  package init() {}

  /// Remembers a view whose log entry has been committed.
  package func note(_ recording: RecordingKey, by actor: Identity, at now: Instant) {
    views.withLock { views in
      if views.count >= maximumEntries { views = views.filter { $0.value.isWithin(lasting, before: now) } }
      // Far more than real use; a forgotten view only leads to one more log entry.
      if views.count >= maximumEntries { views = [:] }
      views[Key(actor: actor.id, recording: recording)] = now
    }
  }

  /// Whether a log entry of the last 15 minutes covers another look at this recording.
  package func covers(_ recording: RecordingKey, by actor: Identity, at now: Instant) -> Bool {
    views.withLock { views in
      views[Key(actor: actor.id, recording: recording)].map { $0.isWithin(lasting, before: now) } ?? false
    }
  }
}
