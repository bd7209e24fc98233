import Foundation
import Model
import NIOHTTP1

/// What the members beside the list, and the headers, say about the list.
///
/// Only the members in `PageMember` are understood. Any other one that has a value makes the list doubtful, until the
/// setting `CXONE_IGNORED_MEMBERS` names it. Null and empty values say nothing.
struct PageNotes {
  /// Whether no member has a value.
  private(set) var isEmpty = true
  private(set) var list = ListNotes()
  private var saysMore = false
  private var saysEnd = false
  private var hasPosition = false

  /// The cursor with which the page was requested: a page may repeat it.
  private let cursor: String?
  /// The keys of the members that the settings say are harmless; of a member inside an object, with those around it.
  private let ignored: Set<[String]>
  private static let maxDepth = 6
  /// More names help nobody who reads the message.
  private static let maxUnknown = 10

  /// - Parameter ignored: names of members, inside others such as `meta.took`.
  init(_ headers: HTTPHeaders, after cursor: String?, ignored: [String]) {
    self.cursor = cursor
    self.ignored = Set(ignored.map { $0.split(separator: ".").map { PageMember.key(String($0)) } })
    for (name, value) in headers where !value.isEmpty && !self.ignored.contains([PageMember.key(name)]) {
      switch name.lowercased() {
      case "link": if Self.linksNextPage(value) { saysMore = true }
      case "x-next", "x-next-cursor", "x-next-page", "x-next-token", "x-next-page-url", "x-ms-continuation":
        saysMore = true
      case "x-has-more": if Self.truth(value) != false { saysMore = true }
      case "x-total", "x-total-count", "total-count": readNumber(value, [name], into: \.rows)
      case "x-total-pages", "x-wp-totalpages": readNumber(value, [name], into: \.pages)
      case "content-range":
        // `items 0-24/319`; a length of `*` is unknown.
        guard let length = value.split(separator: "/").last, length != "*" else { break }
        readNumber(String(length), [name], into: \.rows)
      default: break
      }
    }
  }

  /// Reads a member beside the list.
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
  /// - Parameter hasNext: whether the page has the cursor of the next one.
  func summary(hasNext: Bool) -> ListNotes {
    var list = list
    list.continues = !hasNext && (saysMore || hasPosition && !saysEnd)
    return list
  }

  /// - Parameter path: the names of the objects around the member, and its own.
  private mutating func read(_ value: Any, _ path: [String]) {
    guard list.unknown.count < Self.maxUnknown, !Self.isVoid(value), !ignored.contains(path.map(PageMember.key)) else {
      return
    }
    let isTrue = Self.truth(value)
    switch PageMember(path[path.count - 1]) {
    case .harmless where Self.isPlain(value): break
    case .container:
      // `page` can also be the number of the page.
      if PlatformJSON.wholeNumber(value) != nil { break }
      guard let object = value as? PlatformJSON.Object, path.count < Self.maxDepth else { return doubt(path) }
      for (name, value) in object { read(value, path + [name]) }
    case .request:
      guard let object = value as? PlatformJSON.Object else { return doubt(path) }
      for (name, value) in object where !Self.isVoid(value) {
        let isHarmless = PageMember(name) == .harmless && Self.isPlain(value)
        if !isHarmless, !Self.isText(value, cursor) { doubt(path + [name]) }
      }
    case .links: readLinks(value, path)
    case .more:
      guard let isTrue else { return doubt(path) }
      if isTrue { saysMore = true } else { saysEnd = true }
    case .last:
      let isLink = PageMember.key(path[path.count - 1]).hasPrefix("last")
      if isLink, let number = value as? NSNumber, !PlatformJSON.isBoolean(number) {
        return readNumber(value, path, into: \.pages)
      }
      // `last` can also be the address of the last page.
      guard let isTrue else { return isLink && value is String ? () : doubt(path) }
      if isTrue { saysEnd = true } else { saysMore = true }
    case .next: if isTrue != false { saysMore = true }
    case .position: if !Self.isText(value, cursor) { hasPosition = true }
    case .rows: readNumber(value, path, into: \.rows)
    case .pages: readNumber(value, path, into: \.pages)
    case .problem: if isTrue != false, !Self.isGood(value) { doubt(path) }
    case .success: if isTrue != true { doubt(path) }
    case .status: if !Self.isGood(value) { doubt(path) }
    case .harmless, nil: doubt(path)
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

  private mutating func doubt(_ path: [String]) {
    guard list.unknown.count < Self.maxUnknown else { return }
    list.unknown.append(path.map { String($0.prefix(60)) }.joined(separator: "."))
  }

  /// Whether a text has the form of a `Link` header with a next page.
  private static func linksNextPage(_ text: String) -> Bool {
    text.lowercased().split { $0 == ";" || $0 == "," }.contains { parameter in
      let parts = parameter.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == "rel" else { return false }
      return parts[1].split { $0.isWhitespace || $0 == "\"" || $0 == "'" }.contains("next")
    }
  }

  /// Null, and empty texts, arrays and objects, also inside others.
  private static func isVoid(_ value: Any) -> Bool {
    switch value {
    case is NSNull: true
    case let text as String: text.isEmpty
    case let object as PlatformJSON.Object: object.values.allSatisfy(isVoid)
    case let list as [Any]: list.isEmpty
    default: false
    }
  }

  /// Whether a value has no objects.
  private static func isPlain(_ value: Any) -> Bool {
    if let list = value as? [Any] { return list.allSatisfy(isPlain) }
    return !(value is PlatformJSON.Object)
  }

  /// Whether a value means true or false; nil when it means neither.
  private static func truth(_ value: Any) -> Bool? {
    switch (value as? String)?.lowercased() ?? (value as? NSNumber)?.stringValue {
    case "true", "yes", "y", "1": true
    case "false", "no", "n", "0": false
    default: nil
    }
  }

  /// Whether a value means that all is well.
  private static func isGood(_ value: Any) -> Bool {
    let text = (value as? String)?.lowercased() ?? (value as? NSNumber)?.stringValue
    return text.map { ["ok", "success", "successful", "succeeded", "none", "completed", "200", "0"].contains($0) }
      ?? false
  }

  private static func isText(_ value: Any, _ text: String?) -> Bool { text != nil && value as? String == text }
}
