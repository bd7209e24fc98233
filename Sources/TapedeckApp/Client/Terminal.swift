import Foundation
import Glibc
import Model
import Synchronization

/// What a command writes: results to standard output, messages to standard error.
package enum Terminal {
  static let isErrorTerminal = isatty(STDERR_FILENO) == 1

  /// Writes a message.
  static func say(_ text: String) { _ = put(readable(text) + "\n", STDERR_FILENO) }

  /// Writes part of a message line, such as progress that is overwritten later.
  static func write(_ text: String) { _ = put(text, STDERR_FILENO) }

  /// Writes a line of the result.
  static func show(_ text: String) { output(readable(text) + "\n") }

  /// Writes a result table.
  static func show(_ table: Table) { for line in table.lines { show(line) } }

  /// Writes JSON from the server as it was received.
  static func show(json data: Data) {
    output(String(decoding: data, as: UTF8.self) + (data.last == 0x0A ? "" : "\n"))
  }

  /// Writes a value as one line of JSON.
  static func show(json value: some Encodable) throws { output(try jsonLine(value) + "\n") }

  /// A value as one line of JSON with sorted keys.
  package static func jsonLine(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }

  /// Throws when results could not be written. A reader that closed the pipe early, such as `head`, is not an error.
  ///
  /// - Throws: `storageFailed`.
  static func checkOutput() throws(TapedeckError) {
    let number = outputFailure.withLock { $0 }
    guard let number, number != EPIPE else { return }
    throw TapedeckError(
      .storageFailed, "The results could not be written to standard output: \(String(cString: strerror(number))).")
  }

  /// The error number that ended standard output. The command itself continues without it.
  private static let outputFailure = Mutex<Int32?>(nil)

  private static func output(_ text: String) {
    guard outputFailure.withLock({ $0 }) == nil, let failure = put(text, STDOUT_FILENO) else { return }
    outputFailure.withLock { $0 = failure }
  }

  /// Writes all of a text.
  ///
  /// - Returns: the error number, or nil.
  private static func put(_ text: String, _ descriptor: Int32) -> Int32? {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        guard errno == EINTR else { return errno }
      } else {
        rest = rest.dropFirst(count)
      }
    }
    return nil
  }

  /// Replaces characters that control a terminal or reverse the reading order: names come from the platform.
  package static func readable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\t": false
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
    default: scalar.properties.generalCategory == .control
    }
  }
}

/// A number with its noun, such as `1 recording` or `3 recordings`.
package func counted(_ number: some BinaryInteger, _ noun: String, plural: String? = nil) -> String {
  number == 1 ? "1 \(noun)" : "\(number) \(plural ?? noun + "s")"
}
