import Logging
import Synchronization

/// Keeps log messages, so that a test can check whether they say enough.
final class LogBook: Sendable {
  struct Entry: Sendable {
    var level: Logger.Level
    var text: String
    var metadata: [String: String]

    /// The reason of a message, with the detail that only the operator sees.
    var reason: String? {
      metadata["reason"].flatMap { $0.isEmpty ? nil : $0 + (metadata["detail"].map { " " + $0 } ?? "") }
    }
  }

  private let kept = Mutex<[Entry]>([])

  /// The messages about a recording at the levels that an operator sees.
  func entries(about id: String) -> [Entry] {
    kept.withLock { entries in
      entries.filter { entry in
        entry.level >= .info
          && entry.metadata.values.contains { $0 == id || $0.split(separator: "/").contains { $0 == id } }
      }
    }
  }

  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(book: self) }
    logger.logLevel = .info
    return logger
  }

  private struct Handler: LogHandler {
    let book: LogBook
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    init(book: LogBook) { self.book = book }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
      let entry = Entry(level: event.level, text: "\(event.message)", metadata: all.mapValues { "\($0)" })
      book.kept.withLock { $0.append(entry) }
    }
  }
}
