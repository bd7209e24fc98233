import Foundation

/// What a member of a page beside the list and the cursor says about the list.
///
/// Platforms name these members differently, so their names are compared without case and punctuation. Members that
/// are null, empty, zero or false say nothing.
enum PageNote: Equatable {
  /// The list is not, or not entirely, the result of the search.
  case error
  /// A text that explains an empty list, which may be a failure.
  case message
  /// The list is only a part of the result.
  case more
  /// It is not about the list.
  case other

  private static let errors: Set<String> = [
    "error", "errors", "exception", "exceptions", "failure", "failures", "fault", "faults", "haserror", "haserrors",
    "errormessage", "errorcode", "timedout", "istimedout",
  ]
  private static let messages: Set<String> = ["message", "messages", "warning", "warnings", "detail", "reason"]
  private static let moreNames: Set<String> = [
    "continuation", "continuationtoken", "hasmore", "hasmorepages", "hasmoreresults", "hasnext", "hasnextpage",
    "incomplete", "isincomplete", "ispartial", "istruncated", "more", "moreavailable", "moreresults", "next",
    "nextcursor", "nexthref", "nextlink", "nextmarker", "nextoffset", "nextpage", "nextpagetoken", "nexttoken",
    "nexturi", "nexturl", "odatanextlink", "partial", "partialresult", "partialresults", "truncated",
  ]
  /// Members that say the same when they are false.
  private static let endNames: Set<String> = [
    "complete", "done", "iscomplete", "isdone", "islast", "islastpage", "last", "lastpage",
  ]

  /// The notes of a member, and of its members if it is an object, such as `paging` or `links`.
  static func read(_ name: String, _ value: ArraySlice<UInt8>) -> [PageNote] {
    let note = note(name, value)
    guard note == .other, value.first == UInt8(ascii: "{"), let inner = JSONParts(value) else {
      return note.map { [$0] } ?? []
    }
    return [.other]
      + inner.parts.compactMap { part -> PageNote? in
        let name = part.name.flatMap { PlatformJSON.value($0) as? String } ?? ""
        return Self.note(name, part.value) == .more ? .more : nil
      }
  }

  /// Nil for a member that says nothing.
  private static func note(_ name: String, _ value: ArraySlice<UInt8>) -> PageNote? {
    let name = String(String.UnicodeScalarView(name.unicodeScalars.filter(\.properties.isAlphabetic))).lowercased()
    if endNames.contains(name), saysFalse(value) { return .more }
    if isEmpty(value) { return nil }
    if errors.contains(name) { return .error }
    if messages.contains(name) { return .message }
    return moreNames.contains(name) ? .more : .other
  }

  private static func isEmpty(_ value: ArraySlice<UInt8>) -> Bool {
    guard value.count < 100 else { return false }
    let text = value.filter { !$0.isJSONSpace }
    return saysFalse(value) || ["null", "[]", "{}", "\"\"", "0"].contains { text.elementsEqual($0.utf8) }
  }

  private static func saysFalse(_ value: ArraySlice<UInt8>) -> Bool {
    ["false", "\"false\""].contains { value.elementsEqual($0.utf8) }
  }
}
