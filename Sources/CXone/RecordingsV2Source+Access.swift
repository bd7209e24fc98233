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
  /// The recording that was used, which is available to everyone.
  package var recording: RecordingID?

  package init(_ subject: Subject, failure: TapedeckError? = nil, recording: RecordingID? = nil) {
    self.subject = subject
    self.failure = failure
    self.recording = recording
  }

  /// The name of the check.
  package var name: String { subject == .token ? "Token" : "Scope \(subject.rawValue)" }

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
    var run = CheckRun(source: id)
    for result in results {
      let isToken = result.subject == .token
      await run.check(
        result.name, at: isToken ? client.settings.baseURL : nil, from: "CXONE_BASE_URL", remedy: result.remedy,
        isRequired: isToken
      ) { () async throws(TapedeckError) in
        if let failure = result.failure { throw failure }
        guard result.subject == .downloadScope else { return nil }
        return result.recording.map { "the recording \($0) can be downloaded" }
          ?? "the last week has no recording that is available and not restricted"
      }
    }
    var checks = run.checks
    let recording = results.compactMap { $0.failure == nil ? $0.recording : nil }.first
    checks[checks.count - 1].recording = recording
    return checks
  }

  /// Fetches a token and tries both scopes; one result per `AccessCheck.Subject`, in order.
  ///
  /// A scope counts as granted when a call that requires it succeeds and the token does not say otherwise.
  ///
  /// Nothing is downloaded: the download call names a recording of the last week, or one that does not exist, and the
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
      let week = RecordingQuery(start: now + .seconds(-7 * 86_400), end: now)
      let page = try await search(week, cursor: nil, pageSize: 100)
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
      check(.downloadScope, token: token, failure: downloaded.failure, recording: candidate),
    ]
  }

  private func check(
    _ subject: AccessCheck.Subject, token: AccessToken, failure: TapedeckError?, recording: RecordingID? = nil
  ) -> AccessCheck {
    if failure == nil, let scopes = token.scopes, !scopes.contains(subject.rawValue) {
      return AccessCheck(
        subject,
        failure: TapedeckError(
          .platformScopeRefused, "The token lacks the scope '\(subject.rawValue)'. Grant it to the API client."))
    }
    return AccessCheck(subject, failure: failure, recording: recording)
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
