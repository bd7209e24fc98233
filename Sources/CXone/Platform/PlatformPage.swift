import Foundation
import Model
import NIOCore
import NIOHTTP1

/// The platform's answer to a search, split into rows that are read one by one.
struct PlatformPage {
  private(set) var rows: [ArraySlice<UInt8>] = []
  private(set) var nextCursor: String?
  private(set) var notes = ListNotes()

  /// `null`, `{}`, an empty object and an empty body are an empty list.
  ///
  /// - Parameters:
  ///   - asked: the request of the page.
  ///   - ignored: the members next to the list that the settings say are harmless.
  /// - Throws: `platformProtocol` when the body is not an object with a list, or has more than `maxRows` rows or an
  ///   unreadable cursor.
  init(
    _ body: ByteBuffer, _ headers: HTTPHeaders, of asked: PageRequest, ignored: [String], maxRows: Int
  ) throws(TapedeckError) {
    var notes = PageNotes(headers, of: asked, ignored: ignored)
    let bytes = PlatformJSON.utf8(body)
    if bytes.allSatisfy(\.isJSONSpace) {
      self.notes = notes.summary(rows: 0, hasNext: false)
      return
    }
    let first = bytes.first { !$0.isJSONSpace }
    guard first == UInt8(ascii: "{") else { throw Self.malformed }
    let members: [JSONParts.Part]
    var lists = 0
    if let page = JSONParts(bytes), !page.isAmbiguous {
      members = page.parts
    } else {
      guard let page = JSONRows(bytes, list: "recordings") else { throw Self.malformed }
      (members, rows, lists) = (page.members, page.rows, 1)
    }
    var cursors: Set<String?> = []
    for member in members {
      guard let name = member.name else { throw Self.malformed }
      switch PlatformJSON.value(name) as? String {
      case "recordings":
        lists += 1
        if member.value.elementsEqual("null".utf8) { continue }
        guard let list = JSONParts(member.value)?.parts, list.allSatisfy({ $0.name == nil }) else {
          throw Self.malformed
        }
        rows += list.map(\.value)
      case "nextCursor": cursors.insert(try Self.cursor(member.value))
      case let name: notes.read(name ?? "", member.value)
      }
    }
    // Without a list, only an object without values or with a length of 0 is an empty list; it could be a message.
    guard lists > 0 || notes.isEmpty || notes.list.rows == 0 else { throw Self.malformed }
    guard rows.count <= maxRows else {
      throw TapedeckError(
        .platformProtocol, "A page of the platform's list has \(rows.count) recordings; at most \(maxRows) are read.")
    }
    guard cursors.count <= 1 else {
      throw TapedeckError(.platformProtocol, detail: "the search response has several cursors")
    }
    nextCursor = cursors.first ?? nil
    self.notes = notes.summary(rows: rows.count, hasNext: nextCursor != nil)
  }

  private static var malformed: TapedeckError {
    TapedeckError(.platformProtocol, detail: "the search response is not a page of recordings")
  }

  /// Only an absent, null or empty field ends a listing, because a missed page would leave the archive incomplete.
  private static func cursor(_ text: ArraySlice<UInt8>) throws(TapedeckError) -> String? {
    let value = PlatformJSON.value(text)
    if value is NSNull || value as? String == "" { return nil }
    let digits = PlatformJSON.isWholeNumber(text) ? String(decoding: text, as: UTF8.self) : nil
    guard let cursor = value as? String ?? digits else {
      throw TapedeckError(.platformProtocol, detail: "the search response has an unreadable cursor")
    }
    return cursor
  }
}
