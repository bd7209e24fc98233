import HTTPTransport
package import Model

/// Whether one thing that `recordings-v2` requires is granted.
package struct AccessCheck: Sendable {
  package enum Subject: String, Sendable, CaseIterable {
    case token
    case readScope = "recording:read"
    case downloadScope = "recording:download"
  }

  package var subject: Subject
  /// Nil when it is granted.
  package var failure: TapedeckError?

  package init(_ subject: Subject, failure: TapedeckError? = nil) {
    self.subject = subject
    self.failure = failure
  }

  /// The name of the check.
  package func title(source: SourceID) -> String {
    "\(subject == .token ? "Token" : "Scope \(subject.rawValue)") of source '\(source)'"
  }

  /// What to do when it fails. A scope cannot be checked while the token or the platform fails.
  package var remedy: String {
    subject != .token && failure?.code == .platformScopeRefused
      ? "Grant the scope '\(subject.rawValue)' to the API client on the platform."
      : "Check CXONE_BASE_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET against the API client of the tenant, and that this machine can reach it."
  }
}

extension RecordingsV2Source {
  package func checks() async -> [SourceCheck] {
    let results = await checkAccess()
    let hasToken = results.contains { $0.subject == .token && $0.failure == nil }
    return results.map { result in
      let isSkipped = result.subject != .token && !hasToken
      return SourceCheck(
        result.title(source: id), failure: isSkipped ? nil : result.failure, remedy: result.remedy,
        isSkipped: isSkipped)
    }
  }

  /// Fetches a token and tries both scopes; one result per `AccessCheck.Subject`, in order.
  ///
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
