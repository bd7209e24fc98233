import HTTPTransport
import Model

extension RecordingsV2Source {
  /// A scope counts as granted when a call that requires it succeeds and the token does not say otherwise.
  ///
  /// Nothing is downloaded: the download call names a recording of the last day, or one that does not exist, and the
  /// response body is not read.
  package func checkAccess() async -> [AccessCheck] {
    let token: AccessToken
    do {
      token = try await client.token()
    } catch {
      return AccessCheck.Subject.allCases.map { AccessCheck($0, failure: error) }
    }
    let now = client.system.now()
    let found = await Result(running: { () async throws(TapedeckError) in
      let day = RecordingQuery(start: now + .seconds(-86_400), end: now)
      let page = try await search(day, cursor: nil, pageSize: 20)
      // Everything but the number of rows also holds for the first page alone.
      var progress = ListProgress()
      let notes = ListNotes(continues: page.notes.continues, unknown: page.notes.unknown)
      try progress.count(page.ids, unidentified: 0, notes: notes, isLast: true)
      return page.recordings
    })
    let candidate = (try? found.get())?.first { $0.status == .available && $0.privacy == .standard }?.id
    let downloaded = await Result(running: { () async throws(TapedeckError) in
      try await tryDownload(candidate ?? RecordingID("tapedeck-access-check"))
    })
    return [
      AccessCheck(.token),
      check(.readScope, token: token, failure: found.failure),
      check(.downloadScope, token: token, failure: downloaded.failure),
    ]
  }

  private func check(_ subject: AccessCheck.Subject, token: AccessToken, failure: TapedeckError?) -> AccessCheck {
    if failure == nil, let scopes = token.scopes, !scopes.contains(subject.rawValue) {
      return AccessCheck(
        subject,
        failure: TapedeckError(
          .platformScopeRefused, "The token lacks the scope '\(subject.rawValue)'. Grant it to the API client."))
    }
    return AccessCheck(subject, failure: failure)
  }

  private func tryDownload(_ id: RecordingID?) async throws(TapedeckError) {
    guard let id else { return }
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        let watch = StallWatch(limit: client.settings.callTimeout, system: client.system)
        _ = try await client.openDownload(
          path: Self.downloadPath(id), request: .range(from: 0, ifRange: nil), watch: watch)
      })
    } by: {
      try await client.system.sleep(client.settings.callTimeout)
    }
    // The platform checks the scope before it looks for the recording.
    guard let failure = result.failure, failure.code != .unknownRecording, failure.code != .notYetAvailable else {
      return
    }
    throw wasLimited ? TransportFailures.platform.timeout(cause: failure) : failure
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { failure } else { nil }
  }
}
