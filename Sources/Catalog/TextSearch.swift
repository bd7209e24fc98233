import Model

/// Finding recordings by the words that people type: all of the words, each whole or its beginning (`SearchWords`).
///
/// One index, two databases: FTS5 on SQLite, a GIN index over a `tsvector` on PostgreSQL. Neither splits a text itself;
/// both are given the words of `SearchWords`, so that both find the same.
///
/// Neither index has an order by time, and a word such as an agent's first name may stand in 50,000 of a million rows.
/// So each word is indexed twice, as it is and together with the week of the call (`·2945·anna`), and the newest weeks
/// are looked through first: a page of a common word comes from one week, and a rare one is looked for in all of them
/// when the weeks did not fill the page.
enum TextSearch {
  /// Milliseconds; what the index calls week 0 begins with 1970 and holds everything before.
  static let week: Int64 = 604_800_000
  /// In front of a week and in front of its word. No word holds it, and FTS5's `ascii` splits at nothing beyond ASCII.
  static let mark = "·"

  static func week(of instant: Instant) -> Int64 { max(0, instant.milliseconds) / week }

  /// The first moment of a week.
  static func start(ofWeek number: Int64) -> Instant {
    let (start, overflow) = number.multipliedReportingOverflow(by: week)
    return Instant(milliseconds: number <= 0 || overflow ? .min : start)
  }

  /// Index and what keeps it; `recording` is there already.
  static func schema(_ dialect: Dialect) -> [SQL] {
    // Both databases divide integers to integers.
    let all: SQL = "trim(words || ' ' || address_words)"
    let indexed: SQL = """
      \(all) || replace(' ' || \(all), ' ', ' ·' || CAST(CASE WHEN called_at < 0 THEN 0 ELSE called_at END / 604800000 AS TEXT) || '·')
      """
    switch dialect {
    case .sqlite:
      return [
        "ALTER TABLE recording ADD COLUMN indexed_words TEXT GENERATED ALWAYS AS (\(indexed)) VIRTUAL",
        // Nobody asks where in a row a word stands, so no places are kept.
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
        // Without `fastupdate`, whose unsorted list of newest rows every search would have to read through.
        """
        CREATE INDEX recording_by_words ON recording USING gin (tapedeck_indexed_words(words, address_words, called_at))
        WITH (fastupdate = off)
        """,
      ]
    }
  }

  /// That all of the words stand outside a recording's addresses, for those who may not see these.
  static func standOutsideAddresses(_ words: [String]) -> SQL {
    // A word is letters and digits, so nothing in it has a meaning of its own here.
    SQL.all(words.map { "' ' || r.words LIKE \("% \($0)%")" })
  }

  /// What a search for words reads from: the rows `r` of `recording` that hold all of them.
  ///
  /// - Parameter weeks: only calls of these; nil for all of them.
  static func matches(_ words: [String], weeks: ClosedRange<Int64>?, in dialect: Dialect) -> SQL {
    let prefixes = weeks.map { $0.reversed().map { "\(mark)\($0)\(mark)" } } ?? [""]
    switch dialect {
    case .sqlite:
      let pattern = prefixes.map { prefix in
        "(" + words.map { "\"\(prefix)\($0)\"*" }.joined(separator: " ") + ")"
      }.joined(separator: " OR ")
      // CROSS JOIN, or SQLite reads all recordings in order and asks the index about each.
      return """
        (SELECT rowid AS found FROM recording_text WHERE recording_text MATCH \(pattern)) CROSS JOIN recording r ON r.id = found
        """
    case .postgresql:
      let pattern = prefixes.map { prefix in
        words.map { "'\(prefix)\($0)':*" }.joined(separator: " & ")
      }.joined(separator: " | ")
      // OFFSET 0, or PostgreSQL may read all recordings in order and split the words of each.
      return """
        (SELECT * FROM recording WHERE tapedeck_indexed_words(words, address_words, called_at) @@ CAST(\(pattern) AS tsquery) OFFSET 0) r
        """
    }
  }
}
