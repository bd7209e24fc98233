/// The name that a mistyped one probably means; nil when none is similar.
package func nearest(to text: String, among names: [String]) -> String? {
  let all = names.map { (name: $0, distance: editDistance(text, $0)) }
  guard let best = all.min(by: { $0.distance < $1.distance }), best.distance <= max(2, best.name.count / 3) else {
    return nil
  }
  return best.name
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to make one text the other,
/// without regard to case.
package func editDistance(_ left: String, _ right: String) -> Int {
  let (a, b) = (Array(left.lowercased()), Array(right.lowercased()))
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var least = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
      row.append(least)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
