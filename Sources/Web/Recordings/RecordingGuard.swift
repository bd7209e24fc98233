import Access
import Catalog
import Hummingbird
import Model

/// Asks, for every page, byte range and list, whether somebody may have what they want of a recording as it is now.
struct RecordingGuard: Sendable {
  let services: WebServices

  /// The key that an address names.
  ///
  /// - Throws: `invalidRecordingID`; `notFound` for a source that is not configured.
  func key(_ context: WebContext, dropping suffix: String = "") throws(TapedeckError) -> RecordingKey {
    guard let segment = context.parameters.get("id") else { throw TapedeckError(.invalidRecordingID) }
    let key = try RecordingKey(pathSegment: segment.hasSuffix(suffix) ? segment.dropLast(suffix.count) : segment[...])
    guard key.source == .default || services.sources.contains(key.source) else {
      throw TapedeckError(.notFound, "No source of the name '\(key.source)' is configured.")
    }
    return key
  }

  /// Lets somebody do something with a recording; a denial is in the access log before it is told.
  ///
  /// - Parameter action: what a denial is logged as.
  /// - Throws: `insufficientPermissions`, `accessLogUnavailable`.
  func admit(
    _ act: Policy.Act, to recording: RecordingRow, for request: Request, _ context: WebContext,
    as action: LogEntry.Action
  ) async throws(TapedeckError) {
    let identity = try context.requireIdentity()
    if Policy.allows(act, by: identity, privacy: recording.facts.privacy) { return }
    try await deny(recording.key, request, context, as: action)
  }

  /// Lets somebody do something with a recording that is not known yet: whoever could do it with a standard one.
  func admitUnknown(
    _ act: Policy.Act, key: RecordingKey, for request: Request, _ context: WebContext, as action: LogEntry.Action
  ) async throws(TapedeckError) {
    let identity = try context.requireIdentity()
    if Policy.allows(act, by: identity, privacy: .standard) { return }
    try await deny(key, request, context, as: action)
  }

  private func deny(
    _ key: RecordingKey, _ request: Request, _ context: WebContext, as action: LogEntry.Action
  ) async throws(TapedeckError) -> Never {
    try await services.log.record(
      action, .denied, by: context.identity, recording: key, code: .insufficientPermissions,
      from: context.origin(of: request))
    throw TapedeckError(.insufficientPermissions)
  }
}

extension WebServices {
  /// Refuses an address that is about no recording; the denial is in the access log before it is told.
  func deny(_ request: Request, _ context: WebContext) async throws(TapedeckError) -> Never {
    try await log.record(
      .view, .denied, by: context.identity, code: .insufficientPermissions, from: context.origin(of: request),
      details: ["address": request.uri.path])
    throw TapedeckError(.insufficientPermissions)
  }
}
