import Foundation
package import Logging

/// Where log lines go: each is given whole, ended by a line feed.
package typealias LogSink = @Sendable (String) -> Void

/// Standard error, one `write(2)` a line.
package let standardErrorSink: LogSink = { FileHandle.standardError.write(Data($0.utf8)) }

/// Writes a JSON object a line: `time`, `level`, `message`, `logger`, and each piece of metadata under its own key.
package struct JSONLogHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level = .info
  private let label: String
  private let redactor: Redactor
  private let sink: LogSink

  package init(label: String, redactor: Redactor = .shared, sink: @escaping LogSink = standardErrorSink) {
    self.label = label
    self.redactor = redactor
    self.sink = sink
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let all = merged(metadata, metadataProvider, event.metadata)
    var line = "{\"time\":\(quoted(now())),\"level\":\(quoted(event.level.rawValue)),\"message\":"
    line += "\(quoted(redactor.redact(event.message.description))),\"logger\":\(quoted(label))"
    for (key, value) in all.sorted(by: { $0.key < $1.key }) {
      let name = ["time", "level", "message", "logger"].contains(key) ? "\(key)_" : key
      line += ",\(quoted(name)):\(quoted(redactor.redact(value.description)))"
    }
    sink(line + "}\n")
  }

  /// A JSON string.
  private func quoted(_ text: String) -> String {
    var out = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20: out += String(format: "\\u%04x", scalar.value)
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

/// Writes a line of text for a person: time, level, message, metadata.
package struct TextLogHandler: LogHandler {
  package var metadata: Logger.Metadata = [:]
  package var metadataProvider: Logger.MetadataProvider?
  package var logLevel: Logger.Level = .info
  private let redactor: Redactor
  private let sink: LogSink

  package init(label: String, redactor: Redactor = .shared, sink: @escaping LogSink = standardErrorSink) {
    self.redactor = redactor
    self.sink = sink
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let all = merged(metadata, metadataProvider, event.metadata).sorted { $0.key < $1.key }
    let words = all.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    let line = "\(now().dropFirst(11)) \(event.level.rawValue): \(event.message) \(words)"
    // A line break in a value must not look like another line of the log.
    sink(redactor.redact(line).replacing("\n", with: "\\n").replacing("\r", with: "\\r") + "\n")
  }
}

private func now() -> String { Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }

private func merged(
  _ own: Logger.Metadata, _ provider: Logger.MetadataProvider?, _ given: Logger.Metadata?
) -> Logger.Metadata {
  var all = own
  if let provider { all.merge(provider.get()) { _, new in new } }
  if let given { all.merge(given) { _, new in new } }
  return all
}
