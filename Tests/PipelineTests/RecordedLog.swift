import Logging
import Synchronization

/// A log that a test can read.
final class RecordedLog: Sendable {
  private let lines = Mutex<[(level: Logger.Level, message: String)]>([])

  /// The messages of a level, in order.
  func messages(at level: Logger.Level) -> [String] {
    lines.withLock { lines in lines.filter { $0.level == level }.map(\.message) }
  }

  /// Records `info` and above, as a server does.
  var logger: Logger {
    Logger(label: "test") { [self] _ in Handler(log: self) }
  }

  private struct Handler: LogHandler {
    let log: RecordedLog
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      log.lines.withLock { $0.append((event.level, "\(event.message)")) }
    }
  }
}
