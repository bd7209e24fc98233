import Access
package import Catalog
import HTTPTypes
package import Hummingbird
package import Model

/// A request with its parsed query, as a handler gets it. Only the router creates one.
package struct Incoming: Sendable {
  package let request: Request
  package let query: Query
  package let context: WebContext

  fileprivate init(_ request: Request, _ context: WebContext, _ route: Route) throws(TapedeckError) {
    self.request = request
    self.context = context
    query = try Query(
      request.uri.query, for: route.query, isStrict: route.kind == .api || route.kind == .command,
      zone: context.preferences.zone)
  }

  package var origin: LogEntry.Origin { context.origin(of: request) }

  /// A parameter of the path as it was sent, still percent-encoded.
  package func path(_ name: String) -> String { context.parameters.get(name) ?? "" }

  /// Reads a JSON body.
  package func decode<T: Decodable & Sendable>(_ type: T.Type) async throws -> T {
    try await request.decode(as: type, context: context)
  }
}

/// The recording that a request is about.
package struct RecordingSubject: Sendable {
  package var key: RecordingKey
  /// Nil for a recording that the catalog does not know.
  package var recording: RecordingRow?
  /// Empty while it is not archived.
  package var parts: [MediaPart]
  /// The job that the path names; nil when it names the recording.
  package var job: JobRow?
}

/// A request that may be answered: who sent it, and what it is about. Only the router creates one, after its check.
package struct Admitted<Subject: Sendable>: Sendable {
  package let incoming: Incoming
  package let identity: Identity
  package fileprivate(set) var subject: Subject
  fileprivate let admission: Admission
  fileprivate let route: Route

  fileprivate init(
    _ incoming: Incoming, _ identity: Identity, _ subject: Subject, _ admission: Admission, _ route: Route
  ) {
    self.incoming = incoming
    self.identity = identity
    self.subject = subject
    self.admission = admission
    self.route = route
  }

  package var query: Query { incoming.query }
  package var request: Request { incoming.request }
  package var context: WebContext { incoming.context }

  /// The times of a page, in the reader's zone.
  var times: PageTimes { PageTimes(zone: query.zone) }

  /// The entry of a change, to be committed together with it.
  package func entry(recording: RecordingKey? = nil, details: [String: String] = [:]) -> LogEntry {
    LogEntry(
      at: admission.now(), action: route.log.denial, outcome: .allowed, actor: identity, recording: recording,
      origin: incoming.origin, details: details)
  }

  /// The strictest privacy of recordings that a job may archive on behalf of this identity.
  package var clearance: Privacy { Policy.clearance(of: identity) }

  /// Reads a posted form, which must hold the token of the browser's session.
  func form() async throws -> FormBody {
    let form = try await FormBody(request)
    try form.requireToken(context.session?.csrf)
    return form
  }
}

extension Admitted where Subject == Void {
  /// Whether the request would still be admitted and disclose the same, with the identity as it is now.
  func isStillAllowed() async throws(TapedeckError) -> Bool {
    guard let now = try await context.currentIdentity() else { return false }
    if case .permission(let permission) = route.access, !Policy.allows(permission, for: now) { return false }
    return now.visibility == identity.visibility
  }
}

extension Admitted where Subject == RecordingSubject {
  /// Whether the action would still be allowed if the recording had this privacy.
  func isAllowed(at privacy: Privacy) -> Bool {
    guard case .recording(let action, _) = route.handler else { return false }
    return Policy.allows(action, by: identity, privacy: privacy)
  }

  /// Whether the request would still be admitted, with the identity and the recording as they are now.
  func isStillAllowed() async throws(TapedeckError) -> Bool {
    guard case .recording(let action, _) = route.handler, let identity = try await context.currentIdentity() else {
      return false
    }
    let privacy = try await admission.catalog.recording(subject.key)?.facts.privacy ?? .standard
    return Policy.allows(action, by: identity, privacy: privacy)
  }

  /// The request with the identity as it is now; for handlers that wait.
  ///
  /// - Throws: `unauthenticated` after the denial is logged.
  func identifiedAgain() async throws(TapedeckError) -> Admitted {
    let identity = try await admission.identifyAgain(request, context, route)
    return Admitted(incoming, identity, subject, admission, route)
  }

  /// Checks again, with the identity and the recording as they are now; for handlers that wait.
  ///
  /// - Throws: `insufficientPermissions` and `unauthenticated` after the denial is logged; `unknownRecording`;
  ///   `accessLogUnavailable`.
  func readmit() async throws(TapedeckError) -> Admitted {
    var admitted = try await identifiedAgain()
    guard let recording = try await admission.catalog.recording(subject.key) else {
      throw TapedeckError(.unknownRecording)
    }
    admitted.subject.recording = recording
    guard admitted.isAllowed(at: recording.facts.privacy) else {
      try await admission.deny(
        route, admitted.identity, incoming.request, incoming.context, subject.key,
        isRestricted: admitted.isAllowed(at: .standard))
    }
    return admitted
  }
}

/// Decides whether a request may be answered, runs its handler, and logs before the response is sent.
struct Admission: Sendable {
  let catalog: Catalog
  let log: AccessLog
  let listening: ListeningSessions
  let views: RecentViews
  let streamAccess: StreamAccess
  let streams: Streams
  let sources: Set<SourceID>
  let now: @Sendable () -> Instant

  /// How much of a query value or an address is logged: entries are kept for years.
  static let maxDetailBytes = 500

  func respond(to request: Request, _ context: WebContext, _ route: Route) async throws -> Response {
    switch route.handler {
    case .open(let handle): return try await handle(try Incoming(request, context, route))
    case .admitted(let handle):
      let admitted = try await admitted(request, context, route) { try await admit($0, context, route) }
      let response = try await record(try paced(try await handle(admitted), admitted), admitted, of: nil)
      // A body without a length is written piece by piece.
      guard response.body.contentLength == nil else { return response }
      return streamAccess.guarding(response, on: context.channel, whileAllowed: admitted.isStillAllowed)
    case .recording(let action, let handle):
      let admitted = try await admitted(request, context, route) { try await admit($0, context, route, action) }
      let response = try await record(
        try paced(try await handle(admitted), admitted), admitted, of: admitted.subject)
      return streamAccess.guarding(response, on: context.channel, whileAllowed: admitted.isStillAllowed)
    }
  }

  /// Admits a request; one that may change something is admitted again when its body is complete.
  private func admitted<Subject>(
    _ request: Request, _ context: WebContext, _ route: Route, _ admit: (Request) async throws -> Admitted<Subject>
  ) async throws -> Admitted<Subject> {
    let admitted = try await admit(request)
    guard let complete = try await bodyRead(of: request, context, route) else { return admitted }
    return try await admit(complete)
  }

  /// - Throws: `unauthenticated`; `insufficientPermissions` after the denial is logged; `invalidRequest` for the query.
  private func admit(_ request: Request, _ context: WebContext, _ route: Route) async throws -> Admitted<Void> {
    let identity = try context.requireIdentity()
    if case .permission(let permission) = route.access, !Policy.allows(permission, for: identity) {
      try await deny(route, identity, request, context, nil)
    }
    try await preparePage(of: identity, for: route, into: context)
    return Admitted(try Incoming(request, context, route), identity, (), self, route)
  }

  /// - Throws: also what `subject` throws.
  private func admit(
    _ request: Request, _ context: WebContext, _ route: Route, _ action: Policy.Act
  ) async throws -> Admitted<RecordingSubject> {
    let identity = try context.requireIdentity()
    let subject = try await subject(context, of: action)
    // A recording that is not known yet may turn out to be a standard one.
    guard Policy.allows(action, by: identity, privacy: subject.recording?.facts.privacy ?? .standard) else {
      try await deny(
        route, identity, request, context, subject.key,
        isRestricted: Policy.allows(action, by: identity, privacy: .standard))
    }
    try await preparePage(of: identity, for: route, into: context)
    return Admitted(try Incoming(request, context, route), identity, subject, self, route)
  }

  /// Reads the body of a request that may change something, and finds the identity again: the client decides how long
  /// its body takes, and the identity may have ended or changed before it is complete.
  ///
  /// - Returns: the request with its body, which must be admitted again; nil for a request that only reads.
  private func bodyRead(of request: Request, _ context: WebContext, _ route: Route) async throws -> Request? {
    guard request.method != .get, request.method != .head else { return nil }
    var request = request
    _ = try await request.collectBody(upTo: context.maxUploadSize)
    _ = try await identifyAgain(request, context, route)
    return request
  }

  /// Finds the identity of an admitted request again, after a wait.
  ///
  /// - Throws: `unauthenticated` after the denial is logged, when its credentials have ended.
  fileprivate func identifyAgain(
    _ request: Request, _ context: WebContext, _ route: Route
  ) async throws(TapedeckError) -> Identity {
    let earlier = try context.requireIdentity()
    guard let identity = try await context.currentIdentity() else {
      context.identity = nil
      context.session = nil
      try await log.record(
        route.log.denial, .denied, by: earlier, code: .unauthenticated, from: context.origin(of: request),
        details: address(of: request))
      throw TapedeckError(.unauthenticated)
    }
    context.identity = identity
    return identity
  }

  /// The reply, whose body is sent in pieces and counted for the identity if it is long.
  ///
  /// - Throws: `tooManyStreams`, before anything is logged or disclosed.
  private func paced<Subject>(_ reply: Reply, _ admitted: Admitted<Subject>) throws(TapedeckError) -> Reply {
    let isLong = (reply.response.body.contentLength ?? .max) > PacedBody.piece
    guard isLong, admitted.identity.kind != .operator else { return reply }
    var reply = reply
    let channel = admitted.context.channel
    let stream = try streams.begin(for: admitted.identity.id, on: channel)
    reply.response.body = reply.response.body.paced(by: stream, on: channel)
    return reply
  }

  /// The recording that the path names. One in the catalog stays readable when its source is not configured any more,
  /// but a new job would wait forever. A node without any source takes jobs of the default source, for other nodes.
  ///
  /// - Throws: `invalidRecordingID`; `notFound` for a job or a source that does not exist.
  private func subject(_ context: WebContext, of action: Policy.Act) async throws(TapedeckError) -> RecordingSubject {
    if context.parameters.get("job") != nil {
      guard let id = context.parameters.get("job", as: Int64.self), let job = try await catalog.job(id) else {
        throw TapedeckError.unknownJob
      }
      return RecordingSubject(key: job.key, recording: try await catalog.recording(job.key), parts: [], job: job)
    }
    guard let segment = context.parameters.get("id") else { throw TapedeckError(.invalidRecordingID) }
    let key = try RecordingKey(pathSegment: segment)
    let known = try await catalog.archived(key)
    let subject = RecordingSubject(key: key, recording: known?.recording, parts: known?.parts ?? [])
    guard sources.contains(key.source) || isServed(subject, for: action) else {
      throw TapedeckError.unknownSource(key.source.rawValue)
    }
    return subject
  }

  /// Whether a request about a recording of a source that is not configured is served.
  private func isServed(_ subject: RecordingSubject, for action: Policy.Act) -> Bool {
    let isDefault = subject.key.source == .default
    guard action == .ingest else { return isDefault || subject.recording != nil }
    return !subject.parts.isEmpty || isDefault && sources.isEmpty
  }

  /// Pages show times in the reader's zone and read days in it; their navigation has the number of open notices.
  private func preparePage(
    of identity: Identity, for route: Route, into context: WebContext
  ) async throws(TapedeckError) {
    guard route.kind == .page else { return }
    context.preferences = try await context.preferences(of: identity, in: catalog)
    guard Policy.allows(.manageNotices, for: identity) else { return }
    context.openNotices = try await catalog.openNoticeCount(visibleTo: identity.visibility)
  }

  /// Refuses a request; the denial is logged before it is answered.
  ///
  /// - Parameter isRestricted: whether the recording is refused only because it is restricted.
  func deny(
    _ route: Route, _ identity: Identity, _ request: Request, _ context: WebContext, _ key: RecordingKey?,
    isRestricted: Bool = false
  ) async throws(TapedeckError) -> Never {
    var details = route.log.details
    if key == nil { details.merge(address(of: request)) { $1 } }
    try await log.record(
      route.log.denial, .denied, by: identity, recording: key, code: .insufficientPermissions,
      from: context.origin(of: request), details: details)
    switch route.access {
    case .recording(let act): throw isRestricted ? .restricted(act) : .missing(act)
    case .permission(let permission): throw .missing(permission)
    case .open, .signedIn: throw TapedeckError(.insufficientPermissions)
    }
  }

  /// The detail that names the address of a request without a recording.
  private func address(of request: Request) -> [String: String] {
    ["address": request.uri.path.shortened(toBytes: Self.maxDetailBytes)]
  }

  private func record<Subject>(
    _ reply: Reply, _ admitted: Admitted<Subject>, of subject: RecordingSubject?
  ) async throws(TapedeckError) -> Response {
    let (identity, origin, key) = (admitted.identity, admitted.incoming.origin, subject?.key)
    switch (admitted.route.log, reply.event) {
    case (.entry(let action, let fixed), .shown(let count, let details)):
      try await log.record(
        action, by: identity, recording: key, count: count, from: origin,
        details: details.mapValues { $0.shortened(toBytes: Self.maxDetailBytes) }.merging(fixed) { $1 })
    case (.disclosure, .page):
      try await log.record(.view, by: identity, recording: key, from: origin)
      if let key { views.note(key, by: identity, at: now()) }
    case (.disclosure, .download(let bytes, let file)):
      try await log.record(
        .download, by: identity, recording: key, count: bytes, from: origin, details: ["file": file])
    case (.disclosure, .listening):
      guard let key else { throw TapedeckError(.internalError) }
      let session = try await listening.begin(key, by: identity, from: origin)
      var response = reply.response
      if let bytes = response.body.contentLength, bytes <= PacedBody.piece {
        // Written at once, together with the head.
        listening.sent(bytes, in: session)
        return response
      }
      response.body = response.body.counting { [listening] bytes in listening.sent(bytes, in: session) }
      return response
    case (.disclosure, .handedToProxy(let download?)):
      try await log.record(
        .download, by: identity, recording: key, from: origin,
        details: ["file": download, "sent": ListeningSessions.handedToProxy])
    case (.disclosure, .handedToProxy(nil)):
      guard let key else { throw TapedeckError(.internalError) }
      _ = try await listening.begin(key, by: identity, from: origin, isHandedToProxy: true)
    case (.disclosure, .waveform):
      guard let key, !views.covers(key, by: identity, at: now()) else { break }
      try await log.record(.view, by: identity, recording: key, from: origin, details: ["part": "waveform"])
      views.note(key, by: identity, at: now())
    case (.entry, .alreadyLogged), (.disclosure, .none), (.denials, .none), (.change, .none): break
    default:
      throw TapedeckError(
        .internalError, detail: "the handler of \(admitted.route.path) reports what its log rule does not allow")
    }
    return reply.response
  }
}
