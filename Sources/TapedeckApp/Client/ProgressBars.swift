/// Progress bars on standard error, redrawn in place; nothing is drawn unless standard error is a terminal.
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
      out += "\u{1B}[2K\(line) \(Terminal.readable(String(bar.name.prefix(36))))  \(Terminal.readable(bar.text))\n"
    }
    out += "\u{1B}[2K\(summary)\n\u{1B}[J"
    Terminal.write(out)
    drawn = min(bars.count, 12) + 1
  }
}
