import Foundation
import Model
import NIOHTTP1

/// What the members beside the list, and the headers, say about a page.
///
/// Platforms name them differently, so the words of a name decide (`PageWords`): `hasMore`, `has_more` and `X-Has-More` are
/// the same. A member inside an object or array also has the words around it, as in `links.next.href`. Null, false, zero
/// and empty values say nothing, except of a name such as `success` or `isLast`.
struct PageNotes {
  /// The list is not, or not entirely, the result of the search.
  private(set) var hasError = false
  /// A text that explains an empty list, which may be a failure.
  private(set) var hasMessage = false
  /// The list is only a part of the result. A cursor alone does not say so beside `hasMore` with false.
  var hasMore: Bool { saysMore || hasPosition && !saysEnd }
  private var saysMore = false
  private var hasPosition = false
  private var saysEnd = false
  /// There are rows in another list.
  private(set) var hasOtherList = false
  /// Whether any member says something.
  private(set) var isEmpty = true
  /// How long the whole list is.
  private(set) var extent = ListExtent()

  /// The cursor with which the page was requested: a page may repeat it.
  private let cursor: String?
  private let maxDepth = 6
  /// How many more values are read; a page with more of them beside its list is an error.
  private var allowance = 10_000

  /// The members of a link. An object without others is one.
  private static let linkMembers: Set<String> = [
    "href", "url", "uri", "rel", "type", "title", "name", "method", "templated",
  ]

  init(_ headers: HTTPHeaders, after cursor: String?) {
    self.cursor = cursor
    for (name, value) in headers {
      let words = PageWords(name)
      if words.list == ["link"] { read(value, as: words, in: []) }
      if words.list.first == "x", words.list.count > 1, ["next", "has", "more", "total"].contains(words.list[1]) {
        read(value, as: PageWords(words.list.dropFirst()), in: [])
      }
    }
    isEmpty = true
  }

  mutating func read(_ name: String, _ text: ArraySlice<UInt8>) {
    guard allowance > 0 else {
      isEmpty = false
      hasError = true
      return
    }
    // A value that strict JSON refuses is not empty.
    let value =
      PlatformJSON.value(text) ?? PlatformJSON.repairedText(text) ?? String(decoding: text.prefix(200), as: UTF8.self)
    if !Self.saysNothing(value) { isEmpty = false }
    read(value, as: PageWords(name), in: [])
  }

  /// - Parameter path: the names of the objects around the member.
  private mutating func read(_ value: Any, as name: PageWords, in path: [PageWords]) {
    guard path.count < maxDepth else { return }
    guard allowance > 0 else {
      hasError = true
      return
    }
    allowance -= 1
    switch value {
    case let object as PlatformJSON.Object:
      // A link is named by its relation, and says something by its target.
      if object.keys.allSatisfy({ Self.linkMembers.contains($0.lowercased()) }),
        let target = object.first(where: { ["href", "url", "uri"].contains($0.key.lowercased()) })
      {
        let relation = object.first { $0.key.lowercased() == "rel" }?.value as? String
        read(target.value, as: relation.map { PageWords($0) } ?? name, in: path)
        return
      }
      for (inner, value) in object {
        read(value, as: PageWords(inner), in: path + [name])
        if allowance == 0 { break }
      }
      if allowance == 0 { hasError = true }
    case let list as [Any]:
      if name.isRows, let row = list.first as? PlatformJSON.Object,
        row.keys.contains(where: { PageWords($0).list.last == "id" })
      {
        hasOtherList = true
        return
      }
      // The elements have the name of the list; the depth still counts.
      if list.count > allowance { hasError = true }
      for element in list.prefix(allowance) { read(element, as: name, in: path + [name]) }
    default: readScalar(value, as: name, in: path)
    }
  }

  private mutating func readScalar(_ value: Any, as name: PageWords, in path: [PageWords]) {
    let isNo = Self.saysNothing(value)
    let text = value as? String
    let number = PlatformJSON.wholeNumber(value).flatMap { Int(exactly: $0) }
    if name.meansSuccess, Self.saysNo(value) { hasError = true }
    if name.meansEnd, Self.isBoolean(value) || name.list.first == "is" {
      if Self.saysNo(value) { saysMore = true } else if Self.saysYes(value) { saysEnd = true }
    }
    // `error` around a member says the same of it.
    let names = [name] + path.reversed()
    if names.contains(where: \.isAboutOther) { return }
    let says = { (found: PageWords.Match) -> Bool in
      switch found {
      case .none: false
      case .stated: !isNo
      case .negated: Self.saysNo(value)
      }
    }
    let isLimit = names.contains(where: \.isLimit)
    if !(isLimit && number != nil), !Self.isGood(text),
      // `timeout` is a setting, unless it is true.
      names.contains(where: { says($0.failure) && (!$0.isTimeout || Self.saysYes(value)) })
    {
      hasError = true
    }
    if names.contains(where: { says($0.cut) }) { saysMore = true }
    if !isLimit {
      if names.contains(where: { says($0.continuation) }) { saysMore = true }
      if text == nil || text != cursor, names.contains(where: { says($0.position) }) { hasPosition = true }
      if name.continuation == .stated, Self.saysFalse(value) { saysEnd = true }
    }
    if name.isStatus {
      if name.isStatusNumber, let number {
        if (400..<600).contains(number) { hasError = true }
        if number == 206 { saysMore = true }
      }
      read(sentence: text)
    }
    if name.isMessage {
      if !isNo, !Self.isGood(text) { hasMessage = true }
      read(sentence: text)
    }
    if name.list.contains("link") || name.list.contains("links"), let text, Self.namesNextPage(text) { saysMore = true }
    if let number { readLength(number, as: name, in: path) }
  }

  private mutating func read(sentence text: String?) {
    guard let text else { return }
    let words = PageWords(text)
    if words.failure == .stated { hasError = true }
    if words.cut == .stated { saysMore = true }
  }

  private mutating func readLength(_ number: Int, as name: PageWords, in path: [PageWords]) {
    guard path.allSatisfy(\.isAboutList) else { return }
    if name.isPageNumber {
      extent.page = number
    } else if name.isPageCount {
      extent.pages = max(extent.pages ?? 0, number)
    } else if name.isRowCount || name.list == ["value"] && path.last?.isRowCount ?? false {
      extent.rows = max(extent.rows ?? 0, number)
    }
  }

  /// Whether the text has the form of a `Link` header with a next page.
  private static func namesNextPage(_ text: String) -> Bool {
    text.prefix(4000).lowercased().contains(/;\s*rel\s*=\s*["']?([^"';,]*\s)?next\b/)
  }

  /// Null, false, zero, and empty texts, objects and arrays.
  private static func saysNothing(_ value: Any) -> Bool {
    switch value {
    case is NSNull: true
    case let text as String: text.isEmpty || saysNo(text)
    case let object as PlatformJSON.Object: object.values.allSatisfy(saysNothing)
    case let list as [Any]: list.isEmpty
    default: saysNo(value)
    }
  }

  private static func saysNo(_ value: Any) -> Bool {
    switch value {
    case let text as String: ["false", "0", "no"].contains(text.lowercased())
    case let number as NSNumber: number.doubleValue == 0
    default: false
    }
  }

  private static func saysYes(_ value: Any) -> Bool {
    if let text = value as? String { return ["true", "yes"].contains(text.lowercased()) }
    return (value as? NSNumber).map { PlatformJSON.isBoolean($0) && $0.boolValue } ?? false
  }

  /// Whether it is false, and not 0 or empty.
  private static func saysFalse(_ value: Any) -> Bool {
    if let text = value as? String { return ["false", "no"].contains(text.lowercased()) }
    return (value as? NSNumber).map { PlatformJSON.isBoolean($0) && !$0.boolValue } ?? false
  }

  private static func isBoolean(_ value: Any) -> Bool {
    value is String || (value as? NSNumber).map(PlatformJSON.isBoolean) ?? false
  }

  /// Whether a text says that there is no problem.
  private static func isGood(_ text: String?) -> Bool {
    guard let text else { return false }
    return ["ok", "success", "successful", "none", "null", "completed"].contains(text.lowercased())
  }
}
