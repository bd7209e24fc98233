import ArgumentParser
import Model

// Checks of values while arguments are parsed. Their messages name the option as it is typed.

/// Checks the IDs of recordings while arguments are parsed.
func checkRecordings(_ ids: [String]) throws(ValidationError) {
  for id in ids where RecordingID(id) == nil {
    throw ValidationError(TapedeckError.Code.invalidRecordingID.defaultMessage)
  }
}

/// What is said about a text that cannot be the name of a source.
let sourceNameRule = "--source must be the name of a source: a-z, 0-9, '-' and '_'."

/// Checks the name of a source while arguments are parsed.
func checkSource(_ name: String?) throws(ValidationError) {
  guard let name, SourceID(name) == nil else { return }
  throw ValidationError(sourceNameRule)
}

/// Checks a word against the words that an option takes; nil is not checked.
func checkChoice(_ word: String?, _ option: String, among words: [String]) throws(ValidationError) {
  guard let word, !words.contains(word) else { return }
  let likely = nearest(to: String(word.prefix(40)), among: words)
  // A long list would hide the suggestion.
  if let likely, words.count > 12 {
    throw ValidationError("\(option) has no value '\(word.prefix(40))'. Did you mean '\(likely)'?")
  }
  let list = words.count < 2 ? words.joined() : "\(words.dropLast().joined(separator: ", ")) or \(words.last ?? "")"
  throw ValidationError("\(option) must be \(list).\(likely.map { " Did you mean '\($0)'?" } ?? "")")
}

/// Checks a word against the raw values of a type; nil is not checked.
func checkChoice<T: RawRepresentable<String> & CaseIterable>(
  _ word: String?, _ option: String, among type: T.Type
) throws(ValidationError) {
  try checkChoice(word, option, among: type.allCases.map(\.rawValue))
}

/// Checks a number of rows.
func checkLimit(_ limit: Int, _ maximum: Int) throws(ValidationError) {
  guard !(1...maximum).contains(limit) else { return }
  throw ValidationError("--limit must be a number from 1 to \(grouped(maximum)).")
}

/// The moment that an option names as a day in UTC or as a timestamp.
///
/// - Parameter endOfDay: whether a day counts as its end instead of its start.
func time(_ text: String, _ option: String, endOfDay: Bool = false) throws(ValidationError) -> Instant {
  guard let instant = Instant(dayOrTimestamp: text, endOfDay: endOfDay, in: .utc) else {
    throw ValidationError("\(option) must be \(CalendarDay.expectedForm(orTimestamp: true)).")
  }
  return instant
}

/// Checks `--from` and `--to` of a list, in which the day of `--to` is included.
func checkPeriod(from: String?, to: String?) throws(ValidationError) {
  let start = if let from { try time(from, "--from") } else { nil as Instant? }
  let end = if let to { try time(to, "--to", endOfDay: true) } else { nil as Instant? }
  guard let start, let end, let to else { return }
  // A day before that of `--from` ends when that day begins.
  let isDay = CalendarDay(to, in: .utc) != nil
  guard end < start || isDay && end == start else { return }
  throw ValidationError("--from must not be after --to.")
}
