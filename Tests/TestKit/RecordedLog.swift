package import Logging
import Synchronization

/// A log that a test can read.
package final class RecordedLog: Sendable {
  private struct Entry {
    var level: Logger.Level
    var message: String
    var fields: Logger.Metadata
  }

  private let entries = Mutex<[Entry]>([])

  package init() {}

  /// The messages of a level, in order.
  package func messages(at level: Logger.Level) -> [String] {
    entries.withLock { entries in entries.filter { $0.level == level }.map(\.message) }
  }

  /// The values of all fields.
  package var values: [String] { entries.withLock { entries in entries.flatMap(\.fields.values).map(\.description) } }

  /// The values of a field, in order.
  package func values(of field: String) -> [String] {
    entries.withLock { entries in entries.compactMap { $0.fields[field].map { "\($0)" } } }
  }

  /// Records `info` and above, as a server does, unless another level is given.
  package func logger(from level: Logger.Level = .info) -> Logger {
    Logger(label: "test") { [self] _ in Handler(log: self, logLevel: level) }
  }

  private struct Handler: LogHandler {
    let log: RecordedLog
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let fields = metadata.merging(event.metadata ?? [:]) { $1 }
      log.entries.withLock { $0.append(Entry(level: event.level, message: "\(event.message)", fields: fields)) }
    }
  }
}
