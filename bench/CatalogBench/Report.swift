import Foundation
import Model

/// The measurements as a table.
struct Report {
  private var lines: [String] = []
  private var notes: [String] = []

  /// Printed at once, and again below the table.
  mutating func note(_ text: String) {
    FileHandle.standardError.write(Data("\(text)\n".utf8))
    notes.append(text)
  }

  mutating func add(_ database: String, _ query: String, _ times: [Duration], note: String = "") {
    let sorted = times.sorted()
    func at(_ share: Double) -> String {
      guard let time = sorted.dropFirst(Int(Double(sorted.count - 1) * share)).first else { return "" }
      return String(format: "%.2f ms", time.inSeconds * 1000)
    }
    let line = "| \(database) | \(query) | \(at(0.5)) | \(at(0.99)) | \(at(1)) | \(note) |"
    FileHandle.standardError.write(Data("\(line)\n".utf8))
    lines.append(line)
  }

  var text: String {
    (["| database | query | p50 | p99 | slowest | |", "| --- | --- | --- | --- | --- | --- |"] + lines + [""]
      + notes.map { "- \($0)" }).joined(separator: "\n")
  }
}
