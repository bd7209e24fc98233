import Foundation
package import Hummingbird
package import Logging
package import Model
import NIOCore
import Synchronization

/// A simulated CXone tenant that speaks contract `recordings-v2`: tokens, a day of calls, sound in any range, and faults.
///
/// Everything is made up from a seed: the same seed and day give the same answers to the byte. No file is read or
/// written, and no more than shared tables of sound and the few calls with real words is held in memory.
package struct SandboxTenant: Sendable {
  package let configuration: SandboxConfiguration
  /// Everything the tenant holds, hidden recordings too, ordered by start and id.
  package let recordings: [SandboxRecording]
  /// What goes wrong; also reached through `/sandbox/faults`.
  package let faults: FaultBoard
  /// What was asked; also reached through `/sandbox/requests`.
  package let ledger: RequestLedger
  /// How many requests are answered; also reached through `/sandbox/limit`.
  package let limit: RateLimit

  let surroundings: Surroundings
  let tokens: TokenDesk
  let history: History
  private let logger: Logger
  private let spoken: SpokenCalls?
  private let scripts: [String: SpokenScript]
  private let byID: [String: SandboxRecording]

  /// - Throws: `configurationInvalid` when it is to listen beyond loopback, or a number makes no sense.
  package init(
    configuration: SandboxConfiguration, surroundings: Surroundings = .system, logger: Logger
  ) throws(TapedeckError) {
    guard configuration.listenHost == "127.0.0.1" else {
      throw TapedeckError(
        .configurationInvalid, "The sandbox listens on 127.0.0.1 alone: anybody who reaches it can make it fail.")
    }
    let terms = configuration.rate.map {
      RateLimit.Terms(rate: $0, burst: configuration.burst, saysRetryAfter: configuration.saysRetryAfter)
    }
    guard (0...65_535).contains(configuration.port), configuration.callCount <= 100_000,
      (1...1_000_000_000).contains(configuration.tokenLifetime), configuration.pageSizeLimit >= 1,
      terms.map({ $0.complaint == nil }) ?? true
    else {
      throw TapedeckError(
        .configurationInvalid, "The sandbox cannot use its port, number of calls, token lifetime, page size or rate.")
    }
    self.configuration = configuration
    self.surroundings = surroundings
    self.logger = logger
    faults = FaultBoard(configuration.faults, now: surroundings.now)
    ledger = RequestLedger()
    tokens = TokenDesk(lifetime: configuration.tokenLifetime, surroundings: surroundings)
    limit = RateLimit(terms, surroundings: surroundings)
    history = History(start: surroundings.now())
    spoken =
      configuration.spokenCalls
      ? SpokenCalls(path: ProcessInfo.processInfo.environment["PATH"], logger: logger) : nil

    let yesterday = Instant(milliseconds: surroundings.now().milliseconds - 86_400_000)
    let day = DayOfCalls(seed: configuration.seed, anyMoment: configuration.day ?? yesterday)
    let scripts = spoken == nil ? [] : SpokenScript.all
    let all =
      day.calls(count: configuration.callCount)
      + FixedRecordings.all(on: day, processingTime: configuration.processingTime)
      + scripts.enumerated().map { $1.recording(start: day.moment(minute: 485 + 7 * $0)) }
    recordings = all.sorted { ($0.startTime, $0.id) < ($1.startTime, $1.id) }
    byID = Dictionary(recordings.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    self.scripts = Dictionary(scripts.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The recording of an id, hidden or not.
  package func recording(_ id: String) -> SandboxRecording? { byID[id] }

  /// The file that a download of this recording gives now; nil for an unknown id. Availability does not matter.
  ///
  /// A call with real words is rendered on first use, which takes about half a second.
  package func audio(of id: String) async -> SandboxAudio? {
    guard let recording = byID[id] else { return nil }
    let version = history.version(of: id)
    let seed = Dice.seed(id, under: configuration.seed &+ UInt64(version))
    if version == 0, let script = scripts[id], let sound = await spoken?.sound(of: script) {
      return SandboxAudio(format: recording.format, data: sound, seed: seed)
    }
    // A changed file is a little longer.
    let growth = version * recording.format.dataBytes(milliseconds: 1000)
    return SandboxAudio(format: recording.format, dataBytes: recording.dataBytes + growth, seed: seed)
  }

  /// The tenant as a service: a web server on loopback.
  ///
  /// - Parameter onServerRunning: told the port once it is bound.
  package func makeApplication(
    onServerRunning: (@Sendable (Int) async -> Void)? = nil
  ) -> some ApplicationProtocol {
    let router = Router(context: SandboxContext.self)
    addTokenEndpoint(to: router)
    addRecordingEndpoints(to: router)
    addDownloadEndpoint(to: router)
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
}

/// A request with the connection that it came on, which some faults close.
struct SandboxContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }
}

extension SpokenScript {
  /// The facts of the call that this script is.
  fileprivate func recording(start: Instant) -> SandboxRecording {
    var dice = Dice(seed: Dice.seed(id, under: 0))
    let format = SpokenCalls.format
    var call = CallCentre.call(
      id: id, start: start, format: format, dataBytes: format.dataBytes(milliseconds: milliseconds),
      direction: .outbound, dice: &dice)
    if let line = CallCentre.lines.first(where: { $0.skillName == title }) {
      (call.skillID, call.skillName) = (line.skillID, line.skillName)
      (call.campaignID, call.campaignName) = (line.campaignID, line.campaignName)
    }
    return call
  }
}
