import Foundation
import Model
import NIOCore

/// Where the next page of a list of contacts begins: `SKIP~ID,ID,…`.
///
/// The list may change while it is read. Each page therefore begins some rows before the end of the last one, and names
/// those rows: rows that were listed are recognised, and when none of them is found, rows have moved to the front, and
/// the page is requested again from an earlier row.
struct ContactsBookmark: Equatable {
  /// The number of rows that two pages have in common.
  static let overlap = 20

  var skip: Int
  /// The contact IDs of the last rows of the previous page; empty on the first page.
  var last: [String]

  static let beginning = ContactsBookmark(skip: 0, last: [])

  init(skip: Int, last: [String]) {
    self.skip = skip
    self.last = last
  }

  /// Nil for text that `text` has not written.
  init?(_ text: String) {
    let parts = text.split(separator: "~", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].isASCIIDigits, let skip = Int(parts[0]) else { return nil }
    self.init(skip: skip, last: parts[1].split(separator: ",").map(String.init))
  }

  var text: String { "\(skip)~\(last.joined(separator: ","))" }

  /// The bookmark of the page after one that began here.
  ///
  /// - Parameters:
  ///   - ids: the contact IDs of the page, in order.
  ///   - count: the number of its rows, with or without an ID.
  func next(after ids: [String], count: Int) -> ContactsBookmark {
    // Of a short page only a half, so that each request brings new rows.
    let last = ids.suffix(min(Self.overlap, ids.count / 2))
    return ContactsBookmark(skip: skip + count - last.count, last: Array(last))
  }

  /// Whether the page does not continue the previous one, so that rows between them may be missing.
  func isBroken(by ids: [String]) -> Bool { skip > 0 && !last.isEmpty && !ids.contains(where: last.contains) }

  /// The page to request instead of a broken one.
  func earlier(by count: Int) -> ContactsBookmark { ContactsBookmark(skip: max(0, skip - max(1, count)), last: last) }
}

/// A page of `contacts/completed`.
struct ContactsPage {
  private(set) var rows: [LenientObject] = []
  /// The positions in the page, counted from 1, of what is not an object.
  private(set) var malformed: [Int] = []
  private(set) var totalRecords: Int?
  private(set) var namesNextPage = false

  /// The number of rows of both kinds.
  var count: Int { rows.count + malformed.count }

  /// No contact: the answer to a request that finds none has no body.
  init() {}

  /// - Throws: `platformProtocol` when the body has no list.
  init(_ body: ByteBuffer) throws(TapedeckError) {
    guard let object = LenientObject(PlatformJSON.object(body)) else { throw Self.noList }
    totalRecords = object.number("totalRecords")
    let links = object.object("_links")
    namesNextPage = links?.text("next") != nil || links?.object("next")?.text("href") != nil
    let found = object.value("completedContacts", "completedContact", "contacts")
    if found == nil, totalRecords == 0 { return }
    guard let list = found as? [Any] else { throw Self.noList }
    for (index, row) in list.enumerated() {
      if let row = LenientObject(row) { rows.append(row) } else { malformed.append(index + 1) }
    }
  }

  /// Whether another page follows. A short page is the last one unless the platform says otherwise.
  func continues(after bookmark: ContactsBookmark, requested: Int) -> Bool {
    guard count > 0 else { return false }
    return count >= requested || namesNextPage || totalRecords.map { $0 > bookmark.skip + count } ?? false
  }

  private static var noList: TapedeckError {
    TapedeckError(
      .platformProtocol, "The platform's answer to a search has no list of contacts. Check CXONE_ACD_URL.",
      detail: "the response is not a page of completed contacts")
  }
}
