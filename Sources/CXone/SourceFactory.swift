package import HTTPTransport
package import Logging
package import Model

/// The source that the settings describe. The only place that chooses between contracts.
///
/// - Parameters:
///   - client: must have been created with `HTTPClient.Configuration.platform`.
///   - allowance: where the request allowance is stored; nil for an allowance of this process.
package func makeRecordingSource(
  _ settings: SourceSettings, client: any HTTPSender, allowance: (any AllowanceStore)? = nil, system: SystemServices,
  logger: Logger
) -> any RecordingSource {
  switch settings.contract {
  case .recordingsV2:
    RecordingsV2Source(settings: settings, client: client, allowance: allowance, system: system, logger: logger)
  case .mediaPlayback(let access):
    MediaPlaybackSource(
      settings: settings, access: access, client: client, allowance: allowance, system: system, logger: logger)
  }
}
