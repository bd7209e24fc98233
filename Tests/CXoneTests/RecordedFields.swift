import Logging
import Synchronization

/// A log that keeps the fields that could not be read.
final class RecordedFields: Sendable {
  private let fields = Mutex<[String]>([])
  var all: [String] { fields.withLock { $0 } }
  var logger: Logger { Logger(label: "test") { [self] _ in Handler(log: self) } }

  private struct Handler: LogHandler {
    let log: RecordedFields
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      if let fields = event.metadata?["fields"] { log.fields.withLock { $0.append("\(fields)") } }
    }
  }
}
