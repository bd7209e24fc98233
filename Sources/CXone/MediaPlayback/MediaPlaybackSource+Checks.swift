import Model

extension MediaPlaybackSource {
  /// Signs in, discovers the hosts, lists the contacts of the last day and asks for the media of one of them.
  ///
  /// The last check sends one media request, which NICE bills; nothing is downloaded.
  package func checks() async -> [SourceCheck] {
    let signIn = await outcome(after: true) { () async throws(TapedeckError) in _ = try await client.token() }
    let hosts = await outcome(after: signIn.hasPassed) { () async throws(TapedeckError) in
      _ = try await client.hosts()
    }
    var candidate: RecordingID?
    let now = client.system.now()
    let day = RecordingQuery(start: now + .seconds(-86_400), end: now)
    let search = await outcome(after: hosts.hasPassed) { () async throws(TapedeckError) in
      let page = try await list(day, bookmark: nil)
      candidate = (page.recordings.first { $0.wasRecorded == true } ?? page.recordings.first)?.id
    }
    // Without a call, the media call still shows whether it is permitted.
    let asked = candidate ?? RecordingID("0")
    let playback = await outcome(after: search.hasPassed) { () async throws(TapedeckError) in
      if let asked { _ = try await media(of: asked) }
    }
    return [
      check(
        "Sign-in", signIn,
        remedy: "Check CXONE_ISSUER_URL, the access key and the client ID; see docs/cxone.md."),
      check("Discovery", hosts, remedy: "Check CXONE_TENANT_ID, or set CXONE_ACD_URL and CXONE_AREA_URL."),
      check("Search for contacts", search, remedy: "Give the user of the access key a role that may read contacts."),
      check(
        "Media playback", playback,
        remedy: "Give the user of the access key the permissions \(MediaPlaybackFailures.Permission.play) and "
          + "\(MediaPlaybackFailures.Permission.metadata)."),
    ]
  }

  private enum Outcome {
    case passed, skipped
    case failed(TapedeckError)

    var hasPassed: Bool {
      if case .passed = self { true } else { false }
    }
  }

  private func outcome(
    after isPossible: Bool, _ work: () async throws(TapedeckError) -> Void
  ) async -> Outcome {
    guard isPossible else { return .skipped }
    do throws(TapedeckError) {
      try await work()
      return .passed
    } catch {
      return .failed(error)
    }
  }

  private func check(_ name: String, _ outcome: Outcome, remedy: String) -> SourceCheck {
    var check = SourceCheck("\(name) of source '\(id)'", remedy: remedy)
    switch outcome {
    case .passed: break
    case .skipped: check.isSkipped = true
    case .failed(let failure): check.failure = failure
    }
    return check
  }
}
