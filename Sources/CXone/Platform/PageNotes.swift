import Foundation
import Model
import NIOHTTP1

/// What the members next to the list, and the headers, say about the list.
///
/// Only the members in `PageMember` are understood. Any other one that has a value means that the list may be
/// incomplete, until the setting `CXONE_IGNORED_MEMBERS` names it. Null and empty values say nothing. What repeats the
/// request must cover all that was asked.
struct PageNotes {
  /// Whether no member has a value.
  private(set) var isEmpty = true
  private(set) var list = ListNotes()
  private var saysMore = false
  private var saysEnd = false
  private var hasPosition = false

  /// The page size that the answer states, and where, if it is less than was asked.
  private var smallerPage: (size: Int, path: [String])?

  private let asked: PageRequest
  /// The keys of the members that the settings say are harmless; of a member inside an object, with those around it.
  private let ignored: Set<[String]>
  private static let maxDepth = 6
  /// More names do not help the reader of the message.
  private static let maxUnknown = 10

  /// - Parameter ignored: names of members, inside others such as `meta.took`, and of headers.
  init(_ headers: HTTPHeaders, of asked: PageRequest, ignored: [String]) {
    self.asked = asked
    self.ignored = Set(ignored.map { $0.split(separator: ".").map { PageMember.key(String($0)) } })
    for (name, value) in headers where !value.isEmpty { readHeader(name, value) }
  }

  /// Reads a member next to the list.
  mutating func read(_ name: String, _ text: ArraySlice<UInt8>) {
    guard list.unknown.count < Self.maxUnknown else {
      isEmpty = false
      return
    }
    // A value that strict JSON refuses is not empty.
    let value = PlatformJSON.value(text) ?? PlatformJSON.repairedText(text) ?? String(decoding: text, as: UTF8.self)
    if !Self.isVoid(value) { isEmpty = false }
    read(value, [name])
  }

  /// What the page says about the list as a whole.
  ///
  /// - Parameters:
  ///   - rows: the number of rows on the page.
  ///   - hasNext: whether the page has the cursor of the next one.
  func summary(rows: Int, hasNext: Bool) -> ListNotes {
    var notes = self
    // A full page need not be the last one, unless the answer says so.
    if let smallerPage, rows >= smallerPage.size, !hasNext, !saysEnd, list.rows == nil, list.pages == nil {
      notes.doubt(smallerPage.path)
    }
    var list = notes.list
    list.continues = !hasNext && (saysMore || hasPosition && !saysEnd)
    return list
  }

  private mutating func readHeader(_ name: String, _ value: String) {
    let (words, path) = (PageMember.words(ofHeader: name), [name])
    let text = value.trimmingCharacters(in: .whitespaces)
    // The members of a JSON object are read even if it is ignored, as those of the page are.
    if isIgnored(path), !text.hasPrefix("{") { return }
    let isSuspicious = PageMember.mayLimit(headerWords: words)
    let member = PageMember(words.joined())
    if text.hasPrefix("{"), member != nil || isSuspicious {
      guard let object = PlatformJSON.value(Array(text.utf8)[...]) as? PlatformJSON.Object else { return doubt(path) }
      return read(object, path, as: .container)
    }
    switch (words.joined(), member) {
    case ("link", _): if Self.linksNextPage(text) { saysMore = true }
    case ("contentrange", _):
      // `items 0-24/319`; a length of `*` is unknown.
      guard let length = text.split(separator: "/").last, length != "*" else { break }
      readNumber(String(length), path, into: \.rows)
    // `200 OK`.
    case ("status", _): read(text.prefix { !$0.isWhitespace }.description, path, as: .status)
    // Gateways use these names for times and objects of their own.
    case (_, .harmless?), (_, .periodStart?), (_, .periodEnd?), (_, .request?), (_, .direction?): break
    case (_, .container?): if isSuspicious, PlatformJSON.wholeNumber(text) == nil { doubt(path) }
    case (_, let member?): read(text, path, as: member)
    case (_, nil): if isSuspicious, Self.truth(text) != false, !Self.isGood(text) { doubt(path) }
    }
  }

  /// - Parameter path: the names of the objects around the member, and its own.
  private mutating func read(_ value: Any, _ path: [String]) {
    read(value, path, as: PageMember(path[path.count - 1]))
  }

  private mutating func read(_ value: Any, _ path: [String], as member: PageMember?) {
    guard list.unknown.count < Self.maxUnknown, !Self.isVoid(value) else { return }
    // A container is read even if it is ignored: the members that say whether the list continues count.
    if isIgnored(path), member != .container { return }
    let isTrue = Self.truth(value)
    switch member {
    case .harmless where Self.isPlain(value): break
    case .periodStart, .periodEnd, .pageSize, .offset, .pageNumber, .direction: readEcho(value, path, as: member)
    case .container:
      // `page` can also be the number of the page.
      if PlatformJSON.wholeNumber(value) != nil { return readEcho(value, path, as: .pageNumber) }
      guard let object = value as? PlatformJSON.Object, path.count < Self.maxDepth else { return doubt(path) }
      for (name, value) in object { read(value, path + [name]) }
    case .request:
      guard let object = value as? PlatformJSON.Object else { return doubt(path) }
      for (name, value) in object where !Self.isVoid(value) {
        switch PageMember(name) {
        case .harmless? where Self.isPlain(value): break
        case .periodStart?, .periodEnd?, .pageSize?, .offset?, .pageNumber?, .direction?: read(value, path + [name])
        default: if !Self.isText(value, asked.cursor) { doubt(path + [name]) }
        }
      }
    case .links: readLinks(value, path)
    // What cannot be read may mean that the list continues.
    case .more: if isTrue == false { saysEnd = true } else { saysMore = true }
    case .cut: if isTrue != false { saysMore = true }
    case .last:
      let isLink = PageMember.key(path[path.count - 1]).hasPrefix("last")
      if isLink, let number = value as? NSNumber, !PlatformJSON.isBoolean(number) {
        return readNumber(value, path, into: \.pages)
      }
      // `last` can also be the address of the last page.
      if isTrue == nil, isLink, value is String { return }
      if isTrue == true { saysEnd = true } else { saysMore = true }
    case .next: if isTrue != false { saysMore = true }
    case .position: if !Self.isText(value, asked.cursor) { hasPosition = true }
    case .rows: readNumber(value, path, into: \.rows)
    case .pages: readNumber(value, path, into: \.pages)
    case .problem: if isTrue != false, !Self.isGood(value) { doubt(path) }
    case .success: if isTrue != true { doubt(path) }
    case .status: if !Self.isGood(value) { doubt(path) }
    case .harmless, nil: doubt(path)
    }
  }

  /// Reads what repeats the request: the list must cover at least what was asked.
  private mutating func readEcho(_ value: Any, _ path: [String], as member: PageMember?) {
    let number = PlatformJSON.wholeNumber(value).flatMap { Int(exactly: $0) }
    let isFirst = asked.cursor == nil
    switch member {
    case .periodStart:
      if let start = Instant(platformValue: value) ?? asked.day(value) {
        if start > asked.query.start + .seconds(1) { doubt(path) }
      } else if number.map({ isFirst && $0 > 1 }) ?? true {
        doubt(path)
      }
    case .periodEnd:
      if let end = Instant(platformValue: value) ?? asked.day(value).map({ $0 + .seconds(86_400) }) {
        if end < asked.query.end + .seconds(-1) { doubt(path) }
      } else if number == nil {
        doubt(path)
      }
    case .pageSize:
      guard let number, number >= 0 else { return doubt(path) }
      if number > 0, number < min(asked.pageSize, smallerPage?.size ?? .max) { smallerPage = (number, path) }
    case .offset: if number.map({ isFirst && $0 > 0 }) ?? true { doubt(path) }
    case .pageNumber: if number.map({ isFirst && $0 > 1 }) ?? true { doubt(path) }
    case .direction:
      let direction = (value as? String).flatMap { Direction(rawValue: $0.lowercased()) }
      if !Self.isPlain(value) || direction != nil && direction != asked.query.direction { doubt(path) }
    default: doubt(path)
    }
  }

  /// Reads `{"next": "/x"}`, `{"next": {"href": "/x"}}`, `[{"rel": "next", "href": "/x"}]`, or the form of a header.
  private mutating func readLinks(_ value: Any, _ path: [String]) {
    switch value {
    case let text as String: if Self.linksNextPage(text) { saysMore = true }
    case let object as PlatformJSON.Object:
      guard let relation = object.first(where: { PageMember.key($0.key) == "rel" })?.value as? String else {
        for (relation, link) in object { readLink(link, relation, path) }
        return
      }
      readLink(value, relation, path)
    case let links as [Any]: for link in links { readLinks(link, path) }
    default: doubt(path)
    }
  }

  private mutating func readLink(_ link: Any, _ relation: String, _ path: [String]) {
    let target = (link as? PlatformJSON.Object).map { object in
      object.first { ["href", "url", "uri"].contains(PageMember.key($0.key)) }?.value ?? NSNull()
    }
    guard !Self.isVoid(target ?? link) else { return }
    switch PageMember.key(relation) {
    case "next": saysMore = true
    case "self", "first", "last", "prev", "previous", "start", "up", "current", "collection": break
    default: doubt(path + [relation])
    }
  }

  private mutating func readNumber(_ value: Any, _ path: [String], into number: WritableKeyPath<ListNotes, Int?>) {
    guard let read = PlatformJSON.wholeNumber(value).flatMap({ Int(exactly: $0) }), read >= 0 else {
      return doubt(path)
    }
    list[keyPath: number] = max(list[keyPath: number] ?? 0, read)
  }

  private func isIgnored(_ path: [String]) -> Bool { ignored.contains(path.map(PageMember.key)) }

  private mutating func doubt(_ path: [String]) {
    guard list.unknown.count < Self.maxUnknown, !path.indices.contains(where: { isIgnored(Array(path[...$0])) })
    else { return }
    list.unknown.append(path.map { String($0.prefix(60)) }.joined(separator: "."))
  }
}
