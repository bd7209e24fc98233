import Model

/// The full-text index of recordings. A recording matches a query when each word of the query is a word of the
/// recording or the beginning of one.
///
/// SQLite uses FTS5, PostgreSQL a GIN index over a `tsvector`. Neither splits text into words: both index the output of
/// `SearchWords`, so that both find the same recordings.
///
/// Results are listed newest first, but neither index is ordered by time, and a common word may match 50,000 of a
/// million rows. Each word is therefore indexed twice: by itself (`anna`), and prefixed with the number of the week
/// of the call (`·2945·anna`). A search reads the newest weeks first, which fill the page for a common word. Only if
/// they do not, it reads the matches of all weeks, which are then few.
enum TextSearch {
  /// The length of a week in milliseconds. Week 0 starts with 1970 and includes all earlier calls.
  static let week: Int64 = 604_800_000
  /// Precedes and follows the number of the week. No word contains it, and FTS5's tokenizer `ascii` does not split at
  /// it.
  static let mark = "·"

  static func week(of instant: Instant) -> Int64 { max(0, instant.milliseconds) / week }

  /// The first moment of a week.
  static func start(ofWeek number: Int64) -> Instant {
    let (start, overflow) = number.multipliedReportingOverflow(by: week)
    return Instant(milliseconds: number <= 0 || overflow ? .min : start)
  }

  /// The index, and the triggers that update it. The table `recording` must exist.
  static func schema(_ dialect: Dialect) -> [SQL] {
    // Division of integers rounds toward zero in both databases.
    let all: SQL = "trim(words || ' ' || address_words)"
    let indexed: SQL = """
      \(all) || replace(' ' || \(all), ' ', ' ·' || CAST(CASE WHEN called_at < 0 THEN 0 ELSE called_at END / 604800000 AS TEXT) || '·')
      """
    switch dialect {
    case .sqlite:
      return [
        "ALTER TABLE recording ADD COLUMN indexed_words TEXT GENERATED ALWAYS AS (\(indexed)) VIRTUAL",
        // `detail=none` omits the positions of words, which no query uses.
        """
        CREATE VIRTUAL TABLE recording_text USING fts5 (
          indexed_words, content='recording', content_rowid='id', tokenize='ascii', detail=none
        )
        """,
        """
        CREATE TRIGGER recording_text_insert AFTER INSERT ON recording BEGIN
          INSERT INTO recording_text (rowid, indexed_words) VALUES (new.id, new.indexed_words);
        END
        """,
        """
        CREATE TRIGGER recording_text_update AFTER UPDATE OF words, address_words, started_at ON recording
        WHEN old.indexed_words <> new.indexed_words BEGIN
          INSERT INTO recording_text (recording_text, rowid, indexed_words) VALUES ('delete', old.id, old.indexed_words);
          INSERT INTO recording_text (rowid, indexed_words) VALUES (new.id, new.indexed_words);
        END
        """,
        """
        CREATE TRIGGER recording_text_delete AFTER DELETE ON recording BEGIN
          INSERT INTO recording_text (recording_text, rowid, indexed_words) VALUES ('delete', old.id, old.indexed_words);
        END
        """,
      ]
    case .postgresql:
      return [
        """
        CREATE FUNCTION tapedeck_indexed_words(words TEXT, address_words TEXT, called_at BIGINT) RETURNS tsvector
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
          SELECT array_to_tsvector(array_remove(string_to_array(\(indexed), ' '), ''))
        $$
        """,
        // Without `fastupdate`: every search would have to read its unsorted list of pending entries.
        """
        CREATE INDEX recording_by_words ON recording USING gin (tapedeck_indexed_words(words, address_words, called_at))
        WITH (fastupdate = off)
        """,
      ]
    }
  }

  /// The condition that all words occur outside the addresses of `r`, for identities that may not see addresses.
  static func occurOutsideAddresses(_ words: [String]) -> SQL {
    // Words consist of letters and digits, so none contains a wildcard of LIKE.
    SQL.all(words.map { "' ' || r.words LIKE \("% \($0)%")" })
  }

  /// The condition that the groups of digits that occur in the addresses of `r` are one number. A call from 212 555
  /// 0195 to 800 555 0100 does not match `212 555 0100`, but if its contact is 4711, `4711 555 0195` does.
  static func isOneNumber(_ groups: [String]) -> SQL {
    let whole = number(groups[...])
    var conditions = [occurOutsideAddresses(groups), occurOutsideAddresses([whole]), occursInAddresses(whole)]
    for index in 1..<groups.count {
      for (outside, inside) in [(groups[..<index], groups[index...]), (groups[index...], groups[..<index])]
      // Shorter groups are the beginning of very many words.
      where outside.allSatisfy({ $0.count > 2 }) {
        conditions.append(SQL.all([occurOutsideAddresses(Array(outside)), occursInAddresses(number(inside))]))
      }
    }
    return SQL.any(conditions)
  }

  /// The words with each run of digits as one number.
  static func joining(_ runs: [Range<Int>], of words: [String]) -> [String] {
    var words = words
    for run in runs.reversed() { words.replaceSubrange(run, with: [number(words[run])]) }
    return words
  }

  private static func number(_ groups: ArraySlice<String>) -> String {
    SearchWords.numbers(of: groups.joined()).joined()
  }

  private static func occursInAddresses(_ word: String) -> SQL {
    "' ' || r.address_words LIKE \("% \(word)%")"
  }

  /// The rows `r` of `recording` that contain all words of at least one alternative, for a `FROM` clause.
  ///
  /// - Parameter weeks: the weeks of the calls; nil for all.
  static func matches(_ alternatives: [[String]], weeks: ClosedRange<Int64>?, in dialect: Dialect) -> SQL {
    let prefixes = weeks.map { $0.reversed().map { "\(mark)\($0)\(mark)" } } ?? [""]
    switch dialect {
    case .sqlite:
      let pattern = prefixes.flatMap { prefix in
        alternatives.map { words in "(" + words.map { "\"\(prefix)\($0)\"*" }.joined(separator: " ") + ")" }
      }.joined(separator: " OR ")
      // CROSS JOIN fixes the order: otherwise SQLite scans all recordings and looks each up in the index.
      return """
        (SELECT rowid AS found FROM recording_text WHERE recording_text MATCH \(pattern)) CROSS JOIN recording r ON r.id = found
        """
    case .postgresql:
      let pattern = prefixes.flatMap { prefix in
        alternatives.map { words in words.map { "'\(prefix)\($0)':*" }.joined(separator: " & ") }
      }.joined(separator: " | ")
      // OFFSET 0 fixes the order: otherwise PostgreSQL may scan all recordings and compute the words of each.
      return """
        (SELECT * FROM recording WHERE tapedeck_indexed_words(words, address_words, called_at) @@ CAST(\(pattern) AS tsquery) OFFSET 0) r
        """
    }
  }
}
