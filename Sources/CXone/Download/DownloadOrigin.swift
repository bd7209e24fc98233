import AsyncHTTPClient
import Logging
import Model

/// Where the bytes of a download come from: how requests for them are sent, and their limits.
struct DownloadOrigin: Sendable {
  /// Identifies the download in the log. Never a signed address.
  var name: String
  var settings: SourceSettings
  var system: SystemServices
  var logger: Logger
  /// Sends a request and returns the response, with its body unread: 200, 206, 416, or a status that can mean that the
  /// server does not accept `Range`.
  var open: @Sendable (ResumeRules.Request, StallWatch) async throws(TapedeckError) -> HTTPClientResponse
  /// Called when no response came in time.
  var onTimeout: @Sendable () async -> Void
}
