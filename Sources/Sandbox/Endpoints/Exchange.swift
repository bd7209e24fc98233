import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore

/// One counted request to a platform endpoint, with the faults that apply to it.
struct Exchange: Sendable {
  var request: Request
  var channel: any Channel
  /// The decoded ID in the path.
  var id: String?
  /// The number of its entry in the request statistics.
  var number: Int
  var range: ByteRange?
  var faults: [FaultRule]
  /// Whether the faults have been cleared since this request arrived.
  var isCleared: @Sendable () -> Bool

  /// The rule of a fault, if it applies to this request.
  func rule(_ fault: FaultRule.Fault) -> FaultRule? { faults.first { $0.fault == fault } }

  func has(_ fault: FaultRule.Fault) -> Bool { rule(fault) != nil }
}

extension SandboxTenant {
  /// Counts a request, applies the rate limit and the faults that replace a response, and otherwise answers it.
  ///
  /// - Parameter named: the ID of the recording, where the path does not have it as `id`.
  func exchange(
    _ endpoint: FaultRule.Endpoint, _ request: Request, _ context: SandboxContext, about named: String? = nil,
    answer: (Exchange) async throws -> Response
  ) async throws -> Response {
    let id = named ?? context.parameters.get("id").map { $0.removingPercentEncoding ?? $0 }
    let range = ByteRange(request.headers[.range])
    let entry = RequestStatistics.Entry(
      at: system.now().iso8601Milliseconds, endpoint: endpoint, recording: id.map { String($0.prefix(300)) },
      range: request.headers[.range].map { String($0.prefix(300)) },
      ifRange: request.headers[.ifRange].map { String($0.prefix(300)) }, status: nil, bytesSent: 0, faults: [])
    let number = statistics.open(entry, isKnown: id.map { recording($0) != nil } ?? false)

    let response: Response
    do {
      if let terms = limit.refusal() {
        statistics.countOverLimit()
        throw rateLimited(request, retryAfter: terms.saysRetryAfter ?? true ? "1" : nil)
      }
      let isCleared = faults.clearingObserver()
      let taken = faults.take(endpoint, recording: id, start: range?.start)
      if !taken.isEmpty { statistics.faults(number, taken.map(\.fault)) }
      let delay = taken.filter { $0.fault != .stalledBody }.compactMap(\.delay).reduce(0, +)
      if delay > 0 { try await system.sleepUntilShutdown(.seconds(delay)) }
      for rule in taken { try refuse(for: rule, endpoint, request) }
      response = try await answer(
        Exchange(
          request: request, channel: context.channel, id: id, number: number, range: range, faults: taken,
          isCleared: isCleared))
    } catch let refusal as Refusal {
      response = refusal.response
    }
    statistics.answered(number, status: response.status.code)
    return response
  }

  /// The contract `media-playback` names the route, and usually has no `Retry-After`.
  private func rateLimited(_ request: Request, retryAfter: String?) -> Refusal {
    guard configuration.contract == .mediaPlayback else { return .rateLimited(retryAfter: retryAfter) }
    var headers = HTTPFields()
    if let retryAfter { headers[.retryAfter] = retryAfter }
    return Refusal(
      .json(
        ["message": "API rate limit exceeded", "route": request.uri.path], status: .tooManyRequests, headers: headers))
  }

  private func refuse(for rule: FaultRule, _ endpoint: FaultRule.Endpoint, _ request: Request) throws(Refusal) {
    switch rule.fault {
    case .rateLimited: throw rateLimited(request, retryAfter: retryAfter(rule))
    case .addressLapsed: throw Refusal(.forbidden, "AccessDenied", "Request has expired")
    case .serverError:
      var headers = HTTPFields()
      if let value = retryAfter(rule) { headers[.retryAfter] = value }
      throw Refusal(.init(code: rule.status ?? 500), "server_error", "Internal server error.", headers: headers)
    case .lapsedToken: throw .invalidToken()
    case .scopeMissing: throw .scopeMissing(endpoint == .download ? "recording:download" : "recording:read")
    case .permissionMissing:
      let isAddressOnly = request.uri.queryParameters.get("isDownload") == "true"
      if rule.variant == "metadata", isAddressOnly { return }
      throw Refusal(.json(object: ["internalCode": 4030, "message": "Forbidden"], status: .forbidden))
    case .privacyRefused:
      throw Refusal(.forbidden, "access_denied", "Access to this recording is denied by its privacy.")
    case .gone: throw .unknownRecording()
    default: break
    }
  }

  private func retryAfter(_ rule: FaultRule) -> String? {
    guard let text = rule.retryAfter, text.hasPrefix("date:"), let seconds = Int64(text.dropFirst(5)) else {
      return rule.retryAfter
    }
    let format = Date.VerbatimFormatStyle(
      format: """
        \(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .defaultDigits) \
        \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits) GMT
        """,
      locale: Locale(identifier: "en_US_POSIX"), timeZone: .gmt, calendar: Calendar(identifier: .gregorian))
    return (system.now() + .seconds(seconds)).date.formatted(format)
  }

  /// - Throws: `Refusal` unless the request has a valid token with the scope.
  func authorize(_ request: Request, scope: String) throws(Refusal) {
    guard let header = request.headers[.authorization], header.lowercased().hasPrefix("bearer "),
      tokens.accepts(String(header.dropFirst(7)))
    else { throw .invalidToken() }
    guard configuration.scopes.contains(scope) else { throw .scopeMissing(scope) }
  }
}
