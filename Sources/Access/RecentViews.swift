package import Model
import Synchronization

/// Which recordings somebody was shown the page of a moment ago: what the page fetches besides, such as the waveform, is
/// part of that view and has no entry of its own in the access log.
package final class RecentViews: Sendable {
  private struct Key: Hashable {
    var actor: String
    var recording: RecordingKey
  }

  private let views = Mutex<[Key: Instant]>([:])
  private let lasting: Duration = .seconds(900)
  private let maximumEntries = 10_000

  package init() {}

  /// Notes a view whose entry has been committed.
  package func note(_ recording: RecordingKey, by actor: Identity, at now: Instant) {
    views.withLock { views in
      if views.count >= maximumEntries { views = views.filter { isRecent($0.value, at: now) } }
      // Nobody looks at so many; whoever is forgotten has one entry more.
      if views.count >= maximumEntries { views = [:] }
      views[Key(actor: actor.id, recording: recording)] = now
    }
  }

  /// Whether an entry of a few minutes ago says that they were shown it.
  package func covers(_ recording: RecordingKey, by actor: Identity, at now: Instant) -> Bool {
    views.withLock { views in
      views[Key(actor: actor.id, recording: recording)].map { isRecent($0, at: now) } ?? false
    }
  }

  private func isRecent(_ view: Instant, at now: Instant) -> Bool { view <= now && now - view < lasting }
}
