package import Logging
package import Model

/// Writes each event as one line of readable text: time, level, message, metadata.
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
    var line = "\(logTime().dropFirst(11)) \(event.level.rawValue): \(printable(event.message.description))"
    for (key, value) in mergedMetadata(metadata, metadataProvider, event) {
      line += " \(field(printable(key)))=\(field(text(value)))"
    }
    sink(line + "\n")
  }

  /// The text, quoted if it could be read as several fields; a backslash precedes `"` and `\` in it.
  private func field(_ text: String) -> String {
    let isPlain =
      !text.isEmpty
      && text.unicodeScalars.allSatisfy { scalar in
        scalar != "\"" && scalar != "=" && scalar != "\\" && !scalar.properties.isWhitespace
      }
    if isPlain { return text }
    var out = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { out.unicodeScalars.append("\\") }
      out.unicodeScalars.append(scalar)
    }
    return out + "\""
  }

  /// Redacts each text on its own: the description of a dictionary would escape secrets first.
  private func text(_ value: Logger.MetadataValue) -> String {
    switch value {
    case .string(let text): printable(text)
    case .stringConvertible(let thing): printable(thing.description)
    case .array(let values): "[" + values.map(text).joined(separator: ", ") + "]"
    case .dictionary(let values):
      "[" + values.sorted { $0.key < $1.key }.map { "\(printable($0.key)): \(text($0.value))" }.joined(separator: ", ")
        + "]"
    }
  }

  /// Escapes line breaks, control characters and invisible ones: external text must neither start a new line nor
  /// control the terminal.
  private func printable(_ text: String) -> String {
    var out = ""
    for scalar in redactor.redact(text).unicodeScalars {
      switch scalar {
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.misleadsInLine: out += "\\u{\(String(scalar.value, radix: 16))}"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
