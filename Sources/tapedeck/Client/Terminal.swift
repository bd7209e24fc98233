import Foundation
import Glibc
import Model

/// What a command says: results on standard output, talk on standard error.
enum Terminal {
  static let isErrorTerminal = isatty(STDERR_FILENO) == 1
  static let isOutputTerminal = isatty(STDOUT_FILENO) == 1

  static func say(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
  }

  /// A line of the result, written at once.
  static func show(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

  /// Without a line's end, for progress that is written over.
  static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }

  /// JSON as it came, for programs.
  static func show(json data: Data) {
    FileHandle.standardOutput.write(data)
    if data.last != 0x0A { FileHandle.standardOutput.write(Data([0x0A])) }
  }

  /// Columns as wide as their widest cell, two spaces between them.
  static func show(table rows: [[String]]) {
    guard let columns = rows.map(\.count).max() else { return }
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0 }
    for row in rows {
      var line = ""
      for (column, cell) in row.enumerated() {
        line += cell
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
      out += "\u{1B}[2K\(line) \(bar.name.prefix(32))  \(bar.text)\n"
    }
    out += "\u{1B}[2K\(summary)\n\u{1B}[J"
    Terminal.write(out)
    drawn = min(bars.count, 12) + 1
  }
}
