import Foundation
import Logging

/// Where log lines go: each is given whole, ended by a line feed.
package typealias LogSink = @Sendable (String) -> Void

/// Standard error, one `write(2)` a line, so that lines of many tasks never mix. What cannot be written is lost: a broken
/// log must not stop the work.
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

/// What a log handler writes about an event: its own metadata, the provider's and the event's, the last one winning, and
/// the event's error under `error`.
func mergedMetadata(
  _ own: Logger.Metadata, _ provider: Logger.MetadataProvider?, _ event: LogEvent
) -> [(key: String, value: Logger.MetadataValue)] {
  var all = own
  if let provider { all.merge(provider.get()) { _, new in new } }
  if let given = event.metadata { all.merge(given) { _, new in new } }
  if let error = event.error, all["error"] == nil { all["error"] = "\(error)" }
  return all.sorted { $0.key < $1.key }
}

/// The time of a log line: ISO 8601, milliseconds, UTC.
func logTime() -> String { Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
