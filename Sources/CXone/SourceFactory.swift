package import HTTPTransport
package import Logging
package import Model

/// The source that the settings describe. The only place that chooses between contracts.
///
/// - Parameters:
///   - client: must have been created with `HTTPClient.Configuration.platform`.
///   - allowances: where the request allowances are stored; nil for allowances of this process.
package func makeRecordingSource(
  _ settings: SourceSettings, client: any HTTPSender, allowances: AllowanceStores? = nil, system: SystemServices,
  logger: Logger
) -> any RecordingSource {
  switch settings.contract {
  case .recordingsV2:
    RecordingsV2Source(
      settings: settings, client: client, allowance: allowances?(.all, settings.limits), system: system, logger: logger)
  case .mediaPlayback(let access):
    MediaPlaybackSource(
      settings: settings, access: access, client: client, allowances: allowances, system: system, logger: logger)
  }
}
