import Model

extension Visibility {
  /// The conditions that a row `r` of `recording` meets when at least `extent` of it is visible; none when every row
  /// meets them. Every query that lists, counts or searches on behalf of an identity applies them.
  ///
  /// - Parameters:
  ///   - source: the column of the source, where `r` may be absent.
  ///   - privacy: likewise, the privacy.
  func conditions(showing extent: Extent, source: SQL = "r.source", privacy: SQL = "r.privacy") -> [SQL] {
    guard let ceiling = privacyCeiling(showing: extent) else { return ["1 = 0"] }
    var conditions: [SQL] = []
    if ceiling == .standard { conditions.append("\(privacy) = \(Privacy.standard)") }
    if let agents { conditions.append(isOne(of: agents.sorted(), "r.agent_id")) }
    if let teams { conditions.append(isOne(of: teams.sorted(), "r.team_id")) }
    if let sources { conditions.append(isOne(of: sources.sorted { $0.rawValue < $1.rawValue }, source)) }
    return conditions
  }

  private func isOne(of values: [some ValueConvertible], _ column: SQL) -> SQL {
    values.isEmpty ? "1 = 0" : "\(column) IN \(SQL.list(values))"
  }
}
