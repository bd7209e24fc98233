import Foundation
import Glibc
import Model
import Synchronization

/// What a command says: results on standard output, talk on standard error.
enum Terminal {
  static let isErrorTerminal = isatty(STDERR_FILENO) == 1
  static let isOutputTerminal = isatty(STDOUT_FILENO) == 1

  static func say(_ text: String) { _ = put(readable(text) + "\n", STDERR_FILENO) }

  /// A line of the result, written at once.
  static func show(_ text: String) { output(readable(text) + "\n") }

  /// Without a line's end, for progress that is written over.
  static func write(_ text: String) { _ = put(text, STDERR_FILENO) }

  /// JSON as it came, for programs.
  static func show(json data: Data) {
    output(String(decoding: data, as: UTF8.self) + (data.last == 0x0A ? "" : "\n"))
  }

  /// What became of the results: throws when they could not be written. That their reader wants no more of them, as `head`
  /// does, is no failure.
  ///
  /// - Throws: `storageFailed`.
  static func checkOutput() throws(TapedeckError) {
    let number = outputFailure.withLock { $0 }
    guard let number, number != EPIPE else { return }
    throw TapedeckError(
      .storageFailed, "The results could not be written to standard output: \(String(cString: strerror(number))).")
  }

  /// The error that ended standard output. What a command does besides goes on without it.
  private static let outputFailure = Mutex<Int32?>(nil)

  private static func output(_ text: String) {
    guard outputFailure.withLock({ $0 }) == nil, let failure = put(text, STDOUT_FILENO) else { return }
    outputFailure.withLock { $0 = failure }
  }

  /// Writes all of a text.
  ///
  /// - Returns: the error's number, if there was one.
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

  /// Without characters that a terminal takes for commands, or that turn the order of what is read: names come from the
  /// platform.
  static func readable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isCommand) else { return text }
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { out.append(isCommand(scalar) ? "\u{FFFD}" : scalar) }
    return String(out)
  }

  private static func isCommand(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\t": false
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
    default: scalar.properties.generalCategory == .control
    }
  }

  /// Columns as wide as their widest cell, two spaces between them; a row is a line whatever its cells hold.
  static func show(table rows: [[String]]) {
    guard let columns = rows.map(\.count).max() else { return }
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    for row in rows {
      var line = ""
      for (column, cell) in row.enumerated() {
        line += String(cell.map { $0.isNewline || $0 == "\t" ? " " : $0 })
        if column < row.count - 1 { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
      }
      show(line)
    }
  }

  /// A password: typed twice without an echo on a terminal, or the first line of standard input.
  ///
  /// - Throws: `usage` when nothing came, or the two differ.
  static func readPassword() throws(TapedeckError) -> String {
    guard isatty(STDIN_FILENO) == 1 else {
      guard let line = readLine(), !line.isEmpty else {
        throw TapedeckError(.usage, "Give the password as the first line of standard input.")
      }
      return line
    }
    let first = prompt("Password: ")
    guard first == prompt("Again: ") else { throw TapedeckError(.usage, "The two passwords differ.") }
    return first
  }

  private static func prompt(_ text: String) -> String {
    var settings = termios()
    tcgetattr(STDIN_FILENO, &settings)
    var silent = settings
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(STDIN_FILENO, TCSANOW, &silent)
    // Only now, so that nothing of what is typed in answer is shown.
    write(text)
    defer {
      tcsetattr(STDIN_FILENO, TCSANOW, &settings)
      write("\n")
    }
    return readLine() ?? ""
  }
}

/// Bars for what is under way, redrawn in place; nothing unless standard error is a terminal.
struct ProgressBars {
  private var drawn = 0

  struct Bar {
    var name: String
    var fraction: Double?
    var text: String
  }

  mutating func draw(_ bars: [Bar], summary: String) {
    guard Terminal.isErrorTerminal else { return }
    var out = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
    for bar in bars.prefix(12) {
      let width = 24
      let filled = Int((bar.fraction ?? 0) * Double(width))
      let line = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
      out += "\u{1B}[2K\(line) \(Terminal.readable(String(bar.name.prefix(32))))  \(Terminal.readable(bar.text))\n"
    }
    out += "\u{1B}[2K\(summary)\n\u{1B}[J"
    Terminal.write(out)
    drawn = min(bars.count, 12) + 1
  }
}
