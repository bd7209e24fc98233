import Model

extension MediaPlaybackSource {
  /// The number of calls that are tried until one has media. Each is a billed request.
  private static let callLimit = 3

  /// Signs in, discovers the hosts, lists the contacts of the last week, asks for the media of a call and begins to
  /// download it.
  ///
  /// This sends up to three media requests, which NICE bills; no byte of the media is read.
  package func checks() async -> [SourceCheck] {
    let access = client.access
    var run = CheckRun(source: id)
    let isOlderSignIn = client.settings.clientID.isEmpty && access.areaURL != nil
    await run.check(
      "Sign-in", at: isOlderSignIn ? access.areaURL : access.issuerURL,
      from: isOlderSignIn ? "CXONE_AREA_URL" : "CXONE_ISSUER_URL",
      remedy: "Check CXONE_ISSUER_URL, the access key and the client ID; see docs/cxone.md."
    ) { () async throws(TapedeckError) in
      _ = try await client.token()
      return nil
    }
    var hosts: PlatformHosts?
    await run.check("Discovery", remedy: "Check CXONE_TENANT_ID, or set CXONE_ACD_URL and CXONE_AREA_URL.") {
      () async throws(TapedeckError) in
      let found = try await client.hosts()
      hosts = found
      return "contacts at \(found.acd), media playback at \(found.area)"
    }
    var calls: [RecordingID] = []
    await run.check(
      "Search for contacts", at: hosts?.acd, from: "CXONE_ACD_URL",
      remedy: "Give the user of the access key a role that may read contacts (reporting API)."
    ) { () async throws(TapedeckError) in
      calls = try await recordedCalls()
      return calls.isEmpty ? "the last week has no recorded call" : nil
    }
    var call: RecordingID?
    await run.check(
      "Media playback", at: hosts?.area, from: "CXONE_AREA_URL",
      remedy: "Give the user of the access key the permissions \(MediaPlaybackFailures.Permission.play) and "
        + "\(MediaPlaybackFailures.Permission.metadata)."
    ) { () async throws(TapedeckError) in
      call = try await callWithMedia(calls)
      return call.map { "the call \($0) has media" }
    }
    await run.check(
      "First media",
      remedy: "Check that this machine can reach the media host, and that CXONE_MEDIA_HOSTS permits it."
    ) { () async throws(TapedeckError) in
      guard let call else { return "no call with media was found" }
      try await tryDownload(call)
      return "the media of the call \(call) can be downloaded"
    }
    var checks = run.checks
    if checks[checks.count - 1].failure == nil { checks[checks.count - 1].recording = call }
    return checks
  }

  /// Some recorded calls of the last week.
  private func recordedCalls() async throws(TapedeckError) -> [RecordingID] {
    let now = client.system.now()
    let page = try await list(RecordingQuery(start: now + .seconds(-7 * 86_400), end: now), bookmark: nil)
    var calls: [RecordingID] = []
    for row in page.recordings where row.wasRecorded != false && !calls.contains(row.id) {
      calls.append(row.id)
      if calls.count == Self.callLimit { break }
    }
    return calls
  }

  /// The first of the calls that has media. Without a call, the media request still shows whether it is permitted.
  private func callWithMedia(_ calls: [RecordingID]) async throws(TapedeckError) -> RecordingID? {
    for call in calls.isEmpty ? [RecordingID("0")].compactMap({ $0 }) : calls {
      do throws(TapedeckError) {
        if try await media(of: call).hasMedia { return call }
      } catch {
        guard error.code == .platformScopeRefused else { throw error }
        throw await missingPermission(call, error)
      }
    }
    return nil
  }

  /// Which of the two permissions is missing: the address alone needs no metadata.
  private func missingPermission(_ call: RecordingID, _ refusal: TapedeckError) async -> TapedeckError {
    var refusal = refusal
    do throws(TapedeckError) {
      try await requestAddressAlone(of: call)
      refusal.message =
        "The user of the access key may play recordings, but lacks the permission "
        + "\(MediaPlaybackFailures.Permission.metadata)."
    } catch {
      guard error.code == .platformScopeRefused else { return refusal }
      refusal.message = "The user of the access key lacks the permission \(MediaPlaybackFailures.Permission.play)."
    }
    return refusal
  }

  /// Requests the first part of a call from its media host, and reads no byte of it.
  private func tryDownload(_ call: RecordingID) async throws(TapedeckError) {
    guard let part = addresses.parts(of: call).first else { return }
    let watch = StallWatch(limit: client.settings.callTimeout, system: client.system)
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        _ = try await open(PartLocator(call, part: part), request: .range(from: 0, ifRange: nil), watch: watch)
      })
    } by: {
      try await client.system.sleep(client.settings.callTimeout)
    }
    if wasLimited { throw TapedeckError(.platformUnavailable, "The media host did not respond in time.") }
    try result.get()
  }
}
