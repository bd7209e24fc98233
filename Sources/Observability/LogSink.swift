import Foundation
import Logging

/// Receives log lines, each complete with its line feed.
package typealias LogSink = @Sendable (String) -> Void

/// Writes each line to standard error with one `write(2)`, so that lines of concurrent tasks do not mix. A line that
/// cannot be written is dropped: logging must not stop the program.
package let standardErrorSink: LogSink = { line in
  var line = line
  line.withUTF8 { bytes in
    var rest = UnsafeRawBufferPointer(bytes)
    while !rest.isEmpty {
      let written = write(STDERR_FILENO, rest.baseAddress, rest.count)
      if written > 0 {
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
      } else if errno != EINTR {
        return
      }
    }
  }
}

/// The metadata of an event, sorted by key: the handler's, the provider's and the event's, where later ones override
/// earlier ones, and the event's error under `error`.
func mergedMetadata(
  _ own: Logger.Metadata, _ provider: Logger.MetadataProvider?, _ event: LogEvent
) -> [(key: String, value: Logger.MetadataValue)] {
  var all = own
  if let provider { all.merge(provider.get()) { _, new in new } }
  if let given = event.metadata { all.merge(given) { _, new in new } }
  if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
  return all.sorted { $0.key < $1.key }
}

/// The current time for a log line: ISO 8601 in UTC, with milliseconds.
func logTime() -> String { Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
