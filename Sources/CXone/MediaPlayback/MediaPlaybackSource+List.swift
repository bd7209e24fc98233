package import Model
import NIOCore

extension MediaPlaybackSource {
  /// The version of the ACD's API.
  static let version = "v34.0"

  /// `GET {acd}/incontactapi/services/v34.0/contacts/completed` with dates. The call has no filter for the direction:
  /// calls of other directions are left out here. Of a call that was transferred or consulted on, any leg may belong to
  /// a call of the wanted direction, so only first legs are left out; so is no call of an unknown direction.
  package func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage {
    let period = [("startDate", query.start.iso8601), ("endDate", query.end.iso8601)]
    return try await contacts(period, from: bookmark) { row in
      if let agent = query.agentID, row.agentID != agent { return false }
      guard let wanted = query.direction, let direction = row.direction, row.isFirstLeg else { return true }
      return direction == wanted
    }
  }

  /// The same call with `updatedSince`.
  package func listChanges(since start: Instant, bookmark: String?) async throws(TapedeckError) -> ListPage {
    try await contacts([("updatedSince", start.iso8601)], from: bookmark) { _ in true }
  }

  private func contacts(
    _ period: [(String, String)], from text: String?, isWanted: (PlatformRecording) -> Bool
  ) async throws(TapedeckError) -> ListPage {
    var bookmark = ContactsBookmark.beginning
    if let text {
      guard let given = ContactsBookmark(text) else {
        throw TapedeckError(.invalidRequest, "The cursor was not issued by this source.")
      }
      bookmark = given
    }
    var top = policy.pageSize
    while true {
      let page: ContactsPage
      do throws(TapedeckError) {
        page = try await request(period, from: bookmark, top: top)
      } catch {
        guard error.cause is NIOTooManyBytesError, top > 2 * ContactsBookmark.overlap else { throw error }
        top = max(2 * ContactsBookmark.overlap, top / 4)
        continue
      }
      let ids = page.rows.compactMap { $0.text("contactId") }
      if bookmark.isBroken(by: ids) {
        // Rows before this page have left the list.
        bookmark = bookmark.earlier(by: top - ContactsBookmark.overlap)
        continue
      }
      var result = rows(of: page, listed: Set(bookmark.last), isWanted: isWanted)
      if page.continues(after: bookmark, requested: top) {
        result.nextCursor = bookmark.next(after: ids, count: page.count).text
      }
      return result
    }
  }

  private func request(
    _ period: [(String, String)], from bookmark: ContactsBookmark, top: Int
  ) async throws(TapedeckError) -> ContactsPage {
    let host = try await client.hosts().acd
    let query =
      period + [
        ("mediaTypeId", "\(ContactRow.voice)"), ("skip", "\(bookmark.skip)"), ("top", "\(top)"),
        ("orderBy", "contactStart"),
      ]
    let items = query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    let answer = try await client.get(
      .contacts, url: "\(host)/incontactapi/services/\(Self.version)/contacts/completed?\(items)")
    if answer.status == 204 { return ContactsPage() }
    guard answer.status == 200 else {
      // A list that is mistaken for an empty one makes a day look complete.
      throw TapedeckError(
        .platformUnavailable, "The platform does not have the result of a search yet (status \(answer.status)).",
        detail: "contacts: status \(answer.status)", retryAfter: answer.retryAfter(now: client.system.now()))
    }
    return try ContactsPage(answer.body)
  }

  private func rows(
    of page: ContactsPage, listed: Set<String>, isWanted: (PlatformRecording) -> Bool
  ) -> ListPage {
    var result = ListPage(recordings: [], nextCursor: nil)
    func setAside(_ reason: String, _ row: LenientObject? = nil, position: Int) {
      result.unidentified.append(
        UnidentifiedRow(
          position: position, reason: reason, startTime: row?.moment("contactStart", "contactStartDate"),
          fingerprint: UnidentifiedRow.fingerprint(of: PlatformJSON.written(row?.sent ?? [:]).utf8)))
    }
    for row in page.rows {
      if let id = row.text("contactId"), listed.contains(id) { continue }
      do throws(ContactRow.Problem) {
        let contact = try ContactRow(row)
        if isWanted(contact.recording) { result.recordings.append(contact.recording) }
      } catch {
        guard case .unusable(let reason) = error else { continue }
        setAside(reason, row, position: result.rowCount + 1)
      }
    }
    for _ in page.malformed { setAside("The row is not an object.", position: result.rowCount + 1) }
    return result
  }
}
