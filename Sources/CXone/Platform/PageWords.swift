/// The words of a name or sentence in small letters: `hasMoreRows`, `has_more-rows` and `Has more rows` are the same.
///
/// The lists below are the rule by which a page's members are understood. A word of `failures`, `cuts`, `continuations` or
/// `positions` is found by its beginning, also after `is` or `has` and across two words: `timed_out`, `istruncated`, `errorCode`.
struct PageWords {
  /// The result is not, or not entirely, what was searched for.
  private static let failures = [
    "error", "fail", "fault", "exception", "timeout", "timedout", "denied", "abort", "reject", "unavailable",
  ]
  /// The list is cut off.
  private static let cuts = [
    "trunc", "partial", "incomplete", "capped", "limitreached", "limitexceeded", "limithit", "reached", "exceeded",
  ]
  /// There is another page.
  private static let continuations = ["next", "more"]
  /// There is a position in the list, also on the last page of some platforms.
  private static let positions = ["cursor", "scroll", "continu"]
  /// A name with one of these is about something else, such as `previousCursor`, or repeats what was asked for.
  private static let otherSubjects: Set<String> = [
    "prev", "previous", "before", "self", "start", "end", "refresh", "expires", "expiry", "allow", "include", "query",
    "parameters", "params", "filter", "filters", "criteria", "options",
  ]
  private static let negations: Set<String> = ["no", "not", "without", "zero", "0"]

  private static let rows: Set<String> = [
    "recording", "recordings", "record", "records", "row", "rows", "item", "items", "result", "results", "hit", "hits",
    "entry", "entries", "element", "elements", "match", "matches", "data", "content",
  ]
  /// Their number says nothing of the list, because not all calls are recorded.
  private static let calls: Set<String> = ["call", "calls", "contact", "contacts"]
  private static let counts: Set<String> = ["total", "count", "found", "matched", "hits", "matches"]
  private static let fillers: Set<String> = ["num", "number", "of", "all", "available", "overall", "size"]
  private static let containers: Set<String> = [
    "meta", "metadata", "page", "paging", "pagination", "info", "summary", "response", "search", "list", "query",
  ]

  enum Match { case none, stated, negated }

  let list: [String]

  init(_ text: String) {
    var list: [String] = []
    var word = ""
    let characters = Array(text.prefix(1000))
    for (index, character) in characters.enumerated() {
      guard character.isLetter || character.isNumber else {
        list.append(word)
        word = ""
        continue
      }
      let next = index + 1 < characters.count ? characters[index + 1] : " "
      let last = word.last
      // `nextPage` and `HTTPStatus` are two words.
      if let last, character.isUppercase, !last.isUppercase || next.isLowercase {
        list.append(word)
        word = ""
      }
      word.append(character)
    }
    self.init((list + [word])[...])
  }

  init(_ list: ArraySlice<String>) { self.list = list.filter { !$0.isEmpty }.map { $0.lowercased() } }

  var failure: Match { match(Self.failures) }
  var cut: Match { match(Self.cuts) }

  var continuation: Match { match(Self.continuations) }
  var position: Match { match(Self.positions) }

  var isAboutOther: Bool {
    !Self.otherSubjects.isDisjoint(with: list)
      || list.first == "more" && list.dropFirst().first.map(["info", "information", "details"].contains) ?? false
  }
  /// Whether it is a limit that was set, such as `maxErrors`, or `firstPage`.
  var isLimit: Bool { list.contains { ["max", "maximum", "first"].contains($0) } }
  var isTimeout: Bool { list.contains("timeout") }
  var meansSuccess: Bool { consists(of: ["is", "was", "success", "successful", "succeeded", "ok"]) }
  /// Whether its false says that there is more.
  var meansEnd: Bool {
    let ends: Set<String> = [
      "complete", "completed", "done", "last", "end", "final", "iscomplete", "isdone", "islast", "islastpage",
      "lastpage",
    ]
    return !ends.isDisjoint(with: list)
      && consists(of: ends.union(Self.rows).union(Self.containers).union(["is", "of", "all", "reached"]))
  }
  /// Whether a number of this name is a status.
  var isStatusNumber: Bool { isStatus && list.contains { ["status", "code", "http"].contains($0) } }
  var isStatus: Bool {
    consists(of: ["status", "state", "outcome", "result", "code", "http", "response", "return", "reply", "search"])
  }
  var isMessage: Bool {
    let names: Set<String> = [
      "message", "messages", "warning", "warnings", "detail", "details", "reason", "reasons", "notice", "notices",
    ]
    return list.last.map(names.contains) ?? false
  }

  /// Whether a list of this name has rows.
  var isRows: Bool { list.last.map(Self.rows.union(Self.calls).contains) ?? false }
  var isRowCount: Bool {
    let isCount = !Self.counts.isDisjoint(with: list)
    return isCount && consists(of: Self.counts.union(Self.rows).union(Self.fillers).subtracting(["size"]))
  }
  var isPageCount: Bool {
    list == ["pages"]
      || list.contains { $0.hasPrefix("page") } && !Self.counts.union(["num", "last"]).isDisjoint(with: list)
        && consists(of: Self.counts.union(Self.fillers).union(["page", "pages", "last"]).subtracting(["size"]))
  }
  var isPageNumber: Bool { [["page"], ["page", "number"], ["current", "page"], ["page", "index"]].contains(list) }
  /// Whether an object of this name may state the length of the list.
  var isAboutList: Bool { consists(of: Self.containers.union(Self.rows).union(Self.counts)) }

  private func consists(of words: Set<String>) -> Bool { !list.isEmpty && list.allSatisfy(words.contains) }

  private func match(_ stems: [String]) -> Match {
    var result = Match.none
    for (index, word) in list.enumerated() {
      let pair = index + 1 < list.count ? word + list[index + 1] : word
      let forms = [word, pair] + ["is", "has"].filter(word.hasPrefix).map { String(word.dropFirst($0.count)) }
      guard forms.contains(where: { form in stems.contains { form.hasPrefix($0) } }) else { continue }
      // `no errors`, `without any errors`.
      if Self.negations.isDisjoint(with: list[max(0, index - 2)..<index]) { return .stated }
      result = .negated
    }
    return result
  }
}
