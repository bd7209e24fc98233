import Model

/// Rows of text in columns as wide as their widest cell, two spaces apart.
package struct Table: Sendable {
  private let headings: [String]?
  /// The headings of columns that a narrow terminal leaves out, the least important first.
  private let optional: [String]
  private var rows: [[String]] = []
  /// The columns that are shown and their widths, so that the pages of one table have the same columns.
  private var layout: [(column: Int, width: Int)]?

  /// The least width of a column whose texts are shortened.
  private static let shortest = 8
  private static let gap = 2

  package init(_ headings: [String], optional: [String] = []) {
    self.headings = headings
    self.optional = optional
  }

  /// A table without headings: a name and a value in each row. Facts without a value are left out.
  package init(facts: [(name: String, value: String?)]) {
    self.init(rows: facts.compactMap { name, value in value.flatMap { $0.isEmpty ? nil : [name, $0] } })
  }

  package init(rows: [[String]]) {
    headings = nil
    optional = []
    self.rows = rows
  }

  package var isEmpty: Bool { rows.isEmpty }

  package mutating func add(_ row: [String]) { rows.append(row) }

  /// One line per row, whatever the cells contain.
  package var lines: [String] {
    var table = self
    return table.takeLines(width: nil)
  }

  /// The lines of the rows that were added since the last call, below the headings at the first one.
  ///
  /// - Parameter width: the width of the terminal; nil for any width. Wide tables lose columns, and texts of several
  ///   words are shortened, but words such as IDs are not.
  package mutating func takeLines(width: Int?) -> [String] {
    var shown = rows.map { row in
      row.map(\.onOneLine)
    }
    if layout == nil, let headings { shown.insert(headings, at: 0) }
    rows = []
    arrange(shown, width: width)
    return shown.map { row in
      var line = ""
      for (column, size) in layout ?? [] {
        let cell = column < row.count ? row[column] : ""
        let text = width != nil && cell.contains(" ") ? shortened(cell, to: size) : cell
        line += text + String(repeating: " ", count: max(0, size - displayWidth(of: text)) + Self.gap)
      }
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  private mutating func arrange(_ shown: [[String]], width: Int?) {
    let count = shown.map(\.count).max() ?? 0
    func natural(_ column: Int) -> Int { shown.map { column < $0.count ? displayWidth(of: $0[column]) : 0 }.max() ?? 0 }
    if let layout {
      self.layout = layout.map { ($0.column, width == nil ? max($0.width, natural($0.column)) : $0.width) }
      return
    }
    var columns = (0..<count).map { (column: $0, width: natural($0)) }
    guard let width else {
      layout = columns
      return
    }
    /// Only columns with spaces in some cell are shortened; never the first.
    func least(_ column: (column: Int, width: Int)) -> Int {
      let hasTexts = shown.dropFirst(headings == nil ? 0 : 1)
        .contains { column.column < $0.count && $0[column.column].contains(" ") }
      guard column.column > 0, hasTexts else { return column.width }
      return min(column.width, Self.shortest)
    }
    func total(_ widths: [Int]) -> Int { widths.reduce(0, +) + Self.gap * max(0, widths.count - 1) }
    for name in optional where total(columns.map(least)) > width {
      columns.removeAll { headings?[$0.column] == name }
    }
    var excess = total(columns.map(\.width)) - width
    while excess > 0 {
      let widest = columns.indices.filter { columns[$0].width > least(columns[$0]) }
        .max { columns[$0].width < columns[$1].width }
      guard let widest else { break }
      columns[widest].width -= 1
      excess -= 1
    }
    layout = columns
  }
}

/// The number of columns of a terminal that a text takes; a character of East Asian scripts or an emoji takes two.
package func displayWidth(of text: String) -> Int {
  text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + ($1.isWide ? 2 : 1) }
}

/// The text, or its beginning and an ellipsis, in at most so many columns.
package func shortened(_ text: String, to width: Int) -> String {
  guard displayWidth(of: text) > width else { return text }
  var out = ""
  var used = 1
  for character in text {
    used += character.isWide ? 2 : 1
    if used > width { break }
    out.append(character)
  }
  return out + "…"
}

extension Character {
  fileprivate var isWide: Bool {
    guard let first = unicodeScalars.first else { return false }
    return switch first.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
      0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
      true
    default: false
    }
  }
}
