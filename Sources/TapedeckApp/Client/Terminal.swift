import Foundation
import Glibc
import Model
import Synchronization

/// What a command writes: results to standard output, messages to standard error, and progress below the messages when
/// standard error is a terminal.
package enum Terminal {
  static let isErrorTerminal = isatty(STDERR_FILENO) == 1
  private static let isOutputTerminal = isatty(STDOUT_FILENO) == 1

  /// Writes a message.
  static func say(_ text: String) { aroundProgress { _ = put(text.showingControls + "\n", STDERR_FILENO) } }

  /// Writes text as it is, such as a prompt or a line of the log.
  static func write(_ text: String) { aroundProgress { _ = put(text, STDERR_FILENO) } }

  /// Writes a line of the result.
  static func show(_ text: String) { output(text.showingControls + "\n") }

  /// Writes the rows of a result table that were added since the last call.
  static func show(_ table: inout Table) {
    for line in table.takeLines(width: isOutputTerminal ? size(STDOUT_FILENO).width : nil) { show(line) }
  }

  /// Writes JSON from the server as it was received.
  static func show(json data: Data) {
    output(String(decoding: data, as: UTF8.self) + (data.last == 0x0A ? "" : "\n"))
  }

  /// Writes a value as one line of JSON.
  static func show(json value: some Encodable) throws { output(try jsonLine(value) + "\n") }

  /// Writes each element of a list in a JSON response as a line.
  static func show(jsonLines data: Data, of member: String) throws {
    let answer = try JSONSerialization.jsonObject(with: data) as? [String: Any]
    for element in answer?[member] as? [Any] ?? [] {
      let line = try JSONSerialization.data(withJSONObject: element, options: [.sortedKeys, .withoutEscapingSlashes])
      output(String(decoding: line, as: UTF8.self) + "\n")
    }
  }

  /// Writes a part of a result as it was received.
  static func show(bytes: some Sequence<UInt8>) {
    aroundProgress { write(Array(bytes)[...]) }
  }

  /// A value as one line of JSON with sorted keys.
  package static func jsonLine(_ value: some Encodable) throws -> String {
    String(decoding: try json(value), as: UTF8.self)
  }

  /// A value as JSON with sorted keys and plain slashes.
  static func json(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
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

  /// Whether results can still be written.
  static var hasOutput: Bool { outputFailure.withLock { $0 } == nil }

  // MARK: Progress

  /// The lines of progress on the terminal. Everything that is written goes above them.
  private static let progress = Mutex<[String]>([])

  /// Replaces the progress; nothing is shown unless standard error is a terminal.
  static func draw(_ lines: [String]) {
    guard isErrorTerminal else { return }
    // A line that reaches the last column would wrap on some terminals.
    let width = size(STDERR_FILENO).width - 1
    let lines = lines.map { shortened($0.showingControls, to: width) }
    progress.withLock { shown in
      _ = put(erasing(shown) + text(lines), STDERR_FILENO)
      shown = lines
    }
  }

  private static func aroundProgress(_ write: () -> Void) {
    progress.withLock { shown in
      if !shown.isEmpty { _ = put(erasing(shown), STDERR_FILENO) }
      write()
      if !shown.isEmpty { _ = put(text(shown), STDERR_FILENO) }
    }
  }

  private static func erasing(_ lines: [String]) -> String { lines.isEmpty ? "" : "\u{1B}[\(lines.count)A\u{1B}[J" }

  private static func text(_ lines: [String]) -> String { lines.map { $0 + "\n" }.joined() }

  /// The size of a terminal in characters; 80 by 24 if it is not known.
  static func size(_ descriptor: Int32) -> (width: Int, height: Int) {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return (80, 24) }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  // MARK: Output

  /// The error number that ended standard output. The command itself continues without it.
  private static let outputFailure = Mutex<Int32?>(nil)

  private static func output(_ text: String) {
    aroundProgress { write(Array(text.utf8)[...]) }
  }

  private static func write(_ bytes: ArraySlice<UInt8>) {
    guard hasOutput, let failure = put(bytes, STDOUT_FILENO) else { return }
    outputFailure.withLock { $0 = failure }
  }

  private static func put(_ text: String, _ descriptor: Int32) -> Int32? { put(Array(text.utf8)[...], descriptor) }

  /// Writes all bytes.
  ///
  /// - Returns: the error number, or nil.
  private static func put(_ bytes: ArraySlice<UInt8>, _ descriptor: Int32) -> Int32? {
    var rest = bytes
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
}

/// A duration in seconds as `0:07` or `1:00:00`.
package func clock(_ seconds: Int) -> String {
  func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
  let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
  return hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
}
