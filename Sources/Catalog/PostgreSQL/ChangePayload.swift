import Model

/// Encodes changes as the payload of NOTIFY: `origin:j12,w,h`. It needs no quoting.
enum ChangePayload {
  /// Bytes; PostgreSQL requires less than 8,000.
  static let limit = 7_900

  static func payloads(_ changes: [Change], origin: String) -> [String] {
    var payloads: [String] = []
    var payload = ""
    for change in changes {
      let word =
        switch change {
        case .job(let id): "j\(id)"
        case .workDue: "w"
        case .webhookDue: "h"
        case .taskDue: "d"
        case .accessNarrowed: "a"
        }
      if payload.isEmpty || payload.utf8.count + word.utf8.count >= limit {
        if !payload.isEmpty { payloads.append(payload) }
        payload = "\(origin):\(word)"
      } else {
        payload += ",\(word)"
      }
    }
    return payload.isEmpty ? [] : payloads + [payload]
  }

  /// Decodes a payload; unknown words are ignored.
  static func read(_ payload: String) -> (origin: String, changes: [Change]) {
    let halves = payload.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard halves.count == 2 else { return ("", []) }
    let changes = halves[1].split(separator: ",").compactMap { word -> Change? in
      switch word {
      case "w": .workDue
      case "h": .webhookDue
      case "d": .taskDue
      case "a": .accessNarrowed
      default: word.first == "j" ? Int64(word.dropFirst()).map(Change.job) : nil
      }
    }
    return (String(halves[0]), changes)
  }
}
