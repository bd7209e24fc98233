import Foundation
package import Hummingbird
package import Logging
package import Model
import NIOCore
import Synchronization

/// A simulated CXone tenant that speaks one of the contracts: tokens, a day of calls, range requests, and faults.
///
/// Everything is generated from a seed: the same seed and day give identical responses. Tests can add files
/// (`/sandbox/recordings`). No files are read or written; memory holds only shared tables of audio, the few calls with
/// synthesised speech, and the files of tests.
package struct SandboxTenant: Sendable {
  package let configuration: SandboxConfiguration
  /// All recordings, including hidden ones, ordered by start time and ID.
  package let recordings: [SandboxRecording]
  /// The active faults; also available at `/sandbox/faults`.
  package let faults: FaultBoard
  /// The requests received; also available at `/sandbox/requests`.
  package let statistics: RequestStatistics
  /// The rate limit; also available at `/sandbox/limit`.
  package let limit: RateLimit

  let system: SystemServices
  let tokens: TokenIssuer
  let history: RecordingHistory
  private let logger: Logger
  private let spoken: SpokenCalls?
  private let scripts: [String: SpokenScript]
  private let byID: [String: SandboxRecording]
  private let byContact: [String: SandboxRecording]
  let addresses: SignedAddresses

  /// - Throws: `configurationInvalid` for an address other than loopback or an invalid number.
  package init(
    configuration: SandboxConfiguration, system: SystemServices = .system, logger: Logger
  ) throws(TapedeckError) {
    guard configuration.listenHost == "127.0.0.1" else {
      throw TapedeckError(
        .configurationInvalid,
        "The sandbox listens on 127.0.0.1 only, because its fault endpoint requires no authentication.")
    }
    let terms = configuration.limit
    guard (0...65_535).contains(configuration.port), configuration.callCount <= 100_000,
      (1...1_000_000_000).contains(configuration.tokenLifetime), configuration.pageSizeLimit >= 1,
      terms.map({ $0.problem == nil }) ?? true
    else {
      throw TapedeckError(
        .configurationInvalid,
        "The port, the number of calls, the token lifetime, the page size or the rate of the sandbox is out of range.")
    }
    self.configuration = configuration
    self.system = system
    self.logger = logger
    faults = FaultBoard(configuration.faults, now: system.now)
    statistics = RequestStatistics()
    tokens = TokenIssuer(lifetime: configuration.tokenLifetime, system: system)
    limit = RateLimit(terms, system: system)
    history = RecordingHistory(start: system.now())
    spoken =
      configuration.spokenCalls
      ? SpokenCalls(path: ProcessInfo.processInfo.environment["PATH"], logger: logger) : nil

    let yesterday = Instant(milliseconds: system.now().milliseconds - 86_400_000)
    let day = DayOfCalls(seed: configuration.seed, anyMoment: configuration.day ?? yesterday)
    let scripts = spoken == nil ? [] : SpokenScript.all
    var all =
      day.calls(count: configuration.callCount)
      + FixedRecordings.all(on: day, processingTime: configuration.processingTime)
      + scripts.enumerated().map { $1.recording(start: day.moment(minute: 485 + 7 * $0)) }
    if configuration.contract == .mediaPlayback { all += SpecialCall.all(on: day) }
    recordings = all.sorted { ($0.startTime, $0.id) < ($1.startTime, $1.id) }
    byID = Dictionary(recordings.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    byContact = Dictionary(recordings.map { ($0.contactID, $0) }, uniquingKeysWith: { first, _ in first })
    addresses = SignedAddresses(lifetime: .seconds(configuration.mediaAddressLifetime), system: system)
    self.scripts = Dictionary(scripts.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// Resets the tenant to its initial state: initial faults, limit and files (none of tests), and empty request
  /// statistics. Tokens stay valid.
  package func reset() {
    faults.reset(to: configuration.faults)
    limit.change(to: nil)
    limit.change(to: configuration.limit)
    history.reset(start: system.now())
    statistics.reset()
  }

  /// The recording of a contact ID, hidden or not.
  package func recording(ofContact id: String) -> SandboxRecording? { byContact[id] }

  /// The recording of an ID, hidden or not.
  package func recording(_ id: String) -> SandboxRecording? {
    history.file(of: id).map { recording(id, with: $0) } ?? byID[id]
  }

  /// The file that a download of this recording returns now, regardless of its availability; nil for an unknown ID.
  ///
  /// A call with synthesised speech is rendered on first use, which takes about half a second.
  package func audio(of id: String) async -> SandboxAudio? {
    guard let recording = recording(id) else { return nil }
    let version = history.version(of: id)
    let seed = SeededRandom.seed(id, under: configuration.seed &+ UInt64(version))
    if let file = history.file(of: id) { return SandboxAudio(bytes: Array(file.bytes.readableBytesView), seed: seed) }
    if version == 0, let script = scripts[id], let speech = await spoken?.audio(of: script) {
      return SandboxAudio(format: recording.format, data: speech, seed: seed)
    }
    // A replaced file is a little longer.
    let growth = version * recording.format.dataBytes(milliseconds: 1000)
    return SandboxAudio(format: recording.format, dataBytes: recording.dataBytes + growth, seed: seed)
  }

  /// The tenant as a service: an HTTP server on loopback.
  ///
  /// - Parameter onServerRunning: called with the port once it is bound.
  package func makeApplication(
    onServerRunning: (@Sendable (Int) async -> Void)? = nil
  ) -> some ApplicationProtocol {
    let router = Router(context: SandboxContext.self)
    switch configuration.contract {
    case .recordingsV2:
      addTokenEndpoint(to: router)
      addRecordingEndpoints(to: router)
      addDownloadEndpoint(to: router)
    case .mediaPlayback:
      addSignInEndpoints(to: router)
      addContactEndpoints(to: router)
      addMediaEndpoint(to: router)
      addFileEndpoint(to: router)
    }
    addControlEndpoints(to: router)
    return Application(
      router: router,
      configuration: ApplicationConfiguration(
        address: .hostname(configuration.listenHost, port: configuration.port), serverName: "tapedeck-sandbox"),
      onServerRunning: { channel in
        if let port = channel.localAddress?.port { await onServerRunning?(port) }
      },
      logger: logger)
  }

  /// The media host of the contract `media-playback`, as a service: another HTTP server on loopback, to which signed
  /// addresses lead.
  ///
  /// - Parameter onServerRunning: called with the port once it is bound; addresses can be issued then.
  package func makeMediaHost(
    onServerRunning: (@Sendable (Int) async -> Void)? = nil
  ) -> some ApplicationProtocol {
    let router = Router(context: SandboxContext.self)
    addSignedMediaEndpoint(to: router)
    return Application(
      router: router,
      configuration: ApplicationConfiguration(
        address: .hostname(configuration.listenHost, port: 0), serverName: "tapedeck-sandbox-media"),
      onServerRunning: { channel in
        guard let port = channel.localAddress?.port else { return }
        addresses.port = port
        await onServerRunning?(port)
      },
      logger: logger)
  }
}

/// A request with its connection, which some faults close.
struct SandboxContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }
}

extension SpokenScript {
  /// The recording of this conversation.
  fileprivate func recording(start: Instant) -> SandboxRecording {
    var random = SeededRandom(seed: SeededRandom.seed(id, under: 0))
    let format = SpokenCalls.format
    var call = CallCentre.call(
      id: id, start: start, format: format, dataBytes: format.dataBytes(milliseconds: milliseconds),
      direction: .outbound, random: &random)
    if let campaign = CallCentre.campaigns.first(where: { $0.skillName == title }) {
      (call.skillID, call.skillName) = (campaign.skillID, campaign.skillName)
      (call.campaignID, call.campaignName) = (campaign.campaignID, campaign.campaignName)
    }
    return call
  }
}
