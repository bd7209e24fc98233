import ArgumentParser
import Foundation
import Logging
import Model
import Sandbox
import ServiceLifecycle
import UnixSignals

/// `tapedeck sandbox`: a sandbox tenant on loopback.
struct SandboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sandbox", abstract: "Run a simulated CXone tenant with a day of calls and configurable faults.",
    discussion: """
      The calls are from yesterday (UTC).

      To use it, start Tapedeck with CXONE_BASE_URL=http://127.0.0.1:PORT,
      CXONE_CLIENT_ID=sandbox-client and CXONE_CLIENT_SECRET=sandbox-secret.
      With --contract media-playback, the sandbox prints the settings to use.

      Add faults with --fault, or while it runs with POST /sandbox/faults:
        {"fault": "cut", "recording": "*", "afterBytes": 100000, "times": 1}
        {"fault": "rate-limited", "lasts": 10, "every": 60}
        {"fault": "header-only", "recording": "spoken-billing", "times": 2}
      Limit the request rate with PUT /sandbox/limit, for example
      {"rate": 5, "burst": 10}; DELETE /sandbox/limit removes the limit.
      Add a file as a recording with PUT /sandbox/recordings/ID?seconds=60.
      POST /sandbox/reset restores the initial state.
      """)

  @OptionGroup(title: "General options") var options: OutputOptions
  @OptionGroup(visibility: .hidden) var refused: SettingsOptions

  private static let faultNames = FaultRule.Fault.allCases.map(\.rawValue).joined(separator: ", ")

  @Option(help: "Port on 127.0.0.1; 0 selects a free port.")
  var port = 8090

  @Option(
    help: ArgumentHelp("The API that it offers: recordings-v2 or media-playback.", valueName: "name"),
    transform: { text in try Self.contract(text) })
  var contract = SandboxContract.recordingsV2

  @Option(
    name: .customLong("media-lifetime"),
    help: ArgumentHelp("How long a media address is valid (contract media-playback).", valueName: "seconds"))
  var mediaLifetime = 300

  @Option(help: "Seed of the generated calls; the same seed gives the same bytes.")
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Number of calls in the day.", valueName: "number"))
  var calls = 60

  @Option(
    name: .customLong("token-lifetime"),
    help: ArgumentHelp("Lifetime of an access token in seconds.", valueName: "seconds"))
  var tokenLifetime = 3600

  @Option(help: ArgumentHelp("Requests per second above which the tenant answers 429.", valueName: "requests"))
  var rate: Double?

  @Option(
    help: ArgumentHelp(
      "Number of requests answered at once before --rate applies. Default: the number allowed in one second.",
      valueName: "requests"))
  var burst: Int?

  @Flag(name: .customLong("no-retry-after"), help: "Send 429 without Retry-After.")
  var omitsRetryAfter = false

  @Option(
    help: ArgumentHelp(
      "A fault, such as 'cut,recording=ID,times=1,afterBytes=100000'. May be repeated. Faults: \(Self.faultNames).",
      valueName: "rule"),
    transform: { text in
      do throws(TapedeckError) { return try FaultRule(argument: text) } catch { throw ValidationError(error.message) }
    })
  var fault: [FaultRule] = []

  func validate() throws {
    guard refused.isEmpty else {
      throw ValidationError("The sandbox reads no settings and has no data directory. Omit --data-dir and --config.")
    }
  }

  func run() async throws {
    var configuration = SandboxConfiguration()
    configuration.port = port
    configuration.contract = contract
    configuration.mediaAddressLifetime = mediaLifetime
    configuration.seed = seed
    configuration.callCount = calls
    configuration.tokenLifetime = tokenLifetime
    configuration.rate = rate
    configuration.burst = burst
    configuration.saysRetryAfter = !omitsRetryAfter
    configuration.faults = fault
    var logger = Logger(label: "sandbox")
    logger.logLevel = options.verbose ? .debug : .error
    let tenant = try SandboxTenant(configuration: configuration, logger: logger)
    let application = tenant.makeApplication { port in
      Terminal.show("The sandbox tenant listens on http://127.0.0.1:\(port)")
      if tenant.configuration.contract == .mediaPlayback {
        Terminal.show(Self.settings(tenant.configuration, port: port))
      }
    }
    var services: [ServiceGroupConfiguration.ServiceConfiguration] = [.init(service: application)]
    if contract == .mediaPlayback { services.append(.init(service: tenant.makeMediaHost())) }
    do {
      try await ServiceGroup(
        configuration: .init(
          services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      ).run()
    } catch let error as TapedeckError {
      throw error
    } catch {
      throw TapedeckError(
        .usage, "The sandbox cannot listen on port \(port). Choose another with --port.", detail: "\(error)",
        cause: error)
    }
  }

  /// The contract of a name.
  static func contract(_ name: String) throws -> SandboxContract {
    guard let contract = SandboxContract(rawValue: name) else {
      throw ValidationError("There is no contract '\(name)'. Write recordings-v2 or media-playback.")
    }
    return contract
  }

  /// The settings with which Tapedeck uses a tenant of the contract `media-playback`. Discovery cannot name the address
  /// of the media API, which is always below `https://api-AREA.`.
  private static func settings(_ configuration: SandboxConfiguration, port: Int) -> String {
    """
    Settings:
      CXONE_CONTRACT=media-playback
      CXONE_ISSUER_URL=http://127.0.0.1:\(port)
      CXONE_AREA_URL=http://127.0.0.1:\(port)
      CXONE_MEDIA_HOSTS=127.0.0.1
      CXONE_ACCESS_KEY_ID=\(configuration.accessKeyID)
      CXONE_ACCESS_KEY_SECRET=\(configuration.accessKeySecret)
      CXONE_CLIENT_ID=\(configuration.clientID)
      CXONE_CLIENT_SECRET=\(configuration.clientSecret)
    """
  }
}
