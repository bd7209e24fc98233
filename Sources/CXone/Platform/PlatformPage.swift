import Foundation
import Model
import NIOCore

/// The platform's answer to a search, split into rows that are read one by one.
struct PlatformPage {
  private(set) var rows: [ArraySlice<UInt8>] = []
  private(set) var nextCursor: String?

  /// `null`, `{}`, an empty object and an empty body are an empty list.
  ///
  /// - Throws: `platformProtocol` when the body is not an object with a list, reports an error, has more than `maxRows`
  ///   rows or an unreadable cursor, or says that there is more without a cursor.
  init(_ body: ByteBuffer, maxRows: Int) throws(TapedeckError) {
    let bytes = PlatformJSON.utf8(body)
    if bytes.allSatisfy(\.isJSONSpace) { return }
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
    var others: [PageNote] = []
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
      case let name: others += PageNote.read(name ?? "", member.value)
      }
    }
    if others.contains(.error) || rows.isEmpty && others.contains(.message) {
      throw TapedeckError(
        .platformProtocol,
        "The platform's list of recordings comes with an error or, without a recording, with a message.",
        detail: "the search response reports an error with a status of success")
    }
    // Without a list, only an object that says nothing else is an empty list; it could be a message about a failure.
    guard lists > 0 || others.isEmpty else { throw Self.malformed }
    guard rows.count <= maxRows else {
      throw TapedeckError(
        .platformProtocol, "A page of the platform's list has \(rows.count) recordings; at most \(maxRows) are read.")
    }
    guard cursors.count <= 1 else {
      throw TapedeckError(.platformProtocol, detail: "the search response has several cursors")
    }
    nextCursor = cursors.first ?? nil
    if nextCursor == nil, others.contains(.more) {
      throw TapedeckError(
        .platformProtocol, "The platform says that its list of recordings goes on, but not where.",
        detail: "the search response has no cursor, and a field that says that there is more")
    }
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
