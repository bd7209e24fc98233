package import HTTPTypes
package import Hummingbird
package import Model

/// One route of the server. The router, the OpenAPI document, the access tests and `docs/api.md` are generated from it.
package struct Route: Sendable {
  package enum Kind: Sendable {
    /// For programs: part of the OpenAPI document; errors are problem details; unknown parameters are refused.
    case api
    /// For browsers: errors are pages; unknown parameters are ignored.
    case page
    /// A script or style of a page.
    case asset
    /// For the command line, on the command socket only.
    case command
  }

  /// Who may send a request to a route.
  package enum Access: Sendable, Equatable {
    case open
    case signedIn
    case permission(Permission)
    /// Depends on the recording that the path names, directly or through its job.
    case recording(Policy.Act)
  }

  /// The body that a route takes.
  package enum Body: Sendable {
    case json(Schema)
    case form
  }

  enum Handler: Sendable {
    case open(@Sendable (Incoming) async throws -> Response)
    case admitted(@Sendable (Admitted<Void>) async throws -> Reply)
    case recording(Policy.Act, @Sendable (Admitted<RecordingSubject>) async throws -> Reply)
  }

  package let method: HTTPRequest.Method
  /// With parameters in braces, such as `/play/{id}`.
  package let path: String
  package let kind: Kind
  package let access: Access
  /// One or a few sentences for the documentation.
  package let summary: String
  package let query: [QueryParameter]
  package let body: Body?
  package let responses: [ResponseDescription]
  /// Statuses of errors beyond those that follow from the access, the parameters and the body.
  package let errors: [Int]
  package let log: LogRule
  let handler: Handler

  private init(
    _ method: HTTPRequest.Method, _ path: String, _ kind: Kind, access: Access, log: LogRule, summary: String,
    query: [QueryParameter], body: Body?, responses: [ResponseDescription], errors: [Int], handler: Handler
  ) {
    self.method = method
    self.path = path
    self.kind = kind
    self.access = access
    self.log = log
    self.summary = summary
    self.query = query
    self.body = body
    self.responses = responses
    self.errors = errors
    self.handler = handler
  }

  /// A route without authentication.
  package static func open(
    _ method: HTTPRequest.Method, _ path: String, _ kind: Kind, log: LogRule = .none, _ summary: String,
    query: [QueryParameter] = [], body: Body? = nil, responses: [ResponseDescription] = [], errors: [Int] = [],
    handler: @escaping @Sendable (Incoming) async throws -> Response
  ) -> Route {
    Route(
      method, path, kind, access: .open, log: log, summary: summary, query: query, body: body, responses: responses,
      errors: errors, handler: .open(handler))
  }

  /// A route that needs an identity, and with `permission` that permission.
  package static func admitted(
    _ method: HTTPRequest.Method, _ path: String, _ kind: Kind, permission: Permission?, log: LogRule,
    _ summary: String, query: [QueryParameter] = [], body: Body? = nil, responses: [ResponseDescription] = [],
    errors: [Int] = [], handler: @escaping @Sendable (Admitted<Void>) async throws -> Reply
  ) -> Route {
    Route(
      method, path, kind, access: permission.map(Access.permission) ?? .signedIn, log: log, summary: summary,
      query: query, body: body, responses: responses, errors: errors, handler: .admitted(handler))
  }

  /// A route about one recording: the path names it as `{id}`, or its job as `{job}`.
  package static func recording(
    _ method: HTTPRequest.Method, _ path: String, _ kind: Kind, action: Policy.Act, log: LogRule, _ summary: String,
    query: [QueryParameter] = [], body: Body? = nil, responses: [ResponseDescription] = [], errors: [Int] = [],
    handler: @escaping @Sendable (Admitted<RecordingSubject>) async throws -> Reply
  ) -> Route {
    Route(
      method, path, kind, access: .recording(action), log: log, summary: summary, query: query, body: body,
      responses: responses, errors: errors, handler: .recording(action, handler))
  }
}

/// What a route writes to the access log. Denials are always logged before they are answered.
package enum LogRule: Sendable, Equatable {
  /// Nothing: the route is open and discloses nothing.
  case none
  /// Denials only, as views.
  case denials
  /// An entry before the response is sent, with the count and details that the handler reports.
  case entry(LogEntry.Action, details: [String: String] = [:])
  /// An entry that is committed in the same transaction as the change.
  case change(LogEntry.Action)
  /// Listening, a download or a view, as the handler reports.
  case disclosure(denial: LogEntry.Action)

  /// What a denial is logged as.
  var denial: LogEntry.Action {
    switch self {
    case .none, .denials: .view
    case .entry(let action, _), .change(let action), .disclosure(let action): action
    }
  }

  var details: [String: String] {
    if case .entry(_, let details) = self { return details }
    return [:]
  }
}

/// A handler's response, with what it discloses.
package struct Reply: Sendable {
  package enum Event: Sendable {
    /// An entry as the route's log rule says.
    case shown(count: Int64? = nil, details: [String: String] = [:])
    /// Nothing is disclosed, or its entry is committed already.
    case none
    /// The same report was logged by an earlier request.
    case alreadyLogged
    /// Sound is played: an entry begins a listening session, to which later requests belong.
    case listening
    case download(bytes: Int64, file: String)
    /// The proxy sends the file: sound that is played, or a download of this file.
    case handedToProxy(download: String?)
    /// The page of a recording, which covers the waveform that it fetches.
    case page
    case waveform
  }

  package var response: Response
  package var event: Event

  package init(_ response: Response, _ event: Event = .none) {
    self.response = response
    self.event = event
  }
}
