package import Logging
package import Model

/// Writes each event as one line of JSON: `time`, `level`, `message`, `logger`, and each metadata value under its key.
///
/// A metadata key with one of those four names gets an underscore appended.
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
    var line = "{\"time\":\"\(logTime())\",\"level\":\"\(event.level.rawValue)\",\"message\":"
    append(event.message.description, to: &line)
    line += ",\"logger\":"
    append(label, to: &line)
    for (key, value) in mergedMetadata(metadata, metadataProvider, event) {
      line += ","
      append(["time", "level", "message", "logger"].contains(key) ? key + "_" : key, to: &line)
      line += ":"
      append(value, to: &line)
    }
    sink(line + "}\n")
  }

  /// Redacts each text before quoting it: quoting could change a secret so that it is not found.
  private func append(_ value: Logger.MetadataValue, to line: inout String) {
    switch value {
    case .string(let text): append(text, to: &line)
    case .stringConvertible(let thing): append(thing.description, to: &line)
    case .array(let values):
      line += "["
      for (index, value) in values.enumerated() {
        if index > 0 { line += "," }
        append(value, to: &line)
      }
      line += "]"
    case .dictionary(let values):
      line += "{"
      for (index, (key, value)) in values.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { line += "," }
        append(key, to: &line)
        line += ":"
        append(value, to: &line)
      }
      line += "}"
    }
  }

  /// Appends a JSON string.
  private func append(_ text: String, to line: inout String) {
    line += "\""
    for scalar in redactor.redact(text).unicodeScalars {
      switch scalar {
      case "\"": line += "\\\""
      case "\\": line += "\\\\"
      case "\n": line += "\\n"
      case "\r": line += "\\r"
      case "\t": line += "\\t"
      // JSON requires it for a few; some readers take others for the end of a line.
      case _ where scalar.misleadsInLine:
        for unit in scalar.utf16 { line += "\\u" + hex([UInt8(unit >> 8), UInt8(unit & 0xFF)]) }
      default: line.unicodeScalars.append(scalar)
      }
    }
    line += "\""
  }
}
