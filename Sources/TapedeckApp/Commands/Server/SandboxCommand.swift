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

      Add faults with --fault, or with POST /sandbox/faults while it runs:
        {"fault": "cut", "recording": "*", "afterBytes": 100000, "times": 1}
        {"fault": "rate-limited", "lasts": 10, "every": 60}
        {"fault": "header-only", "recording": "spoken-billing", "times": 2}
      Limit the request rate with PUT /sandbox/limit, for example
      {"rate": 5, "burst": 10}; DELETE /sandbox/limit removes the limit.
      To add a recording, send its file with PUT /sandbox/recordings/ID?seconds=60.
      POST /sandbox/reset restores the initial state.
      """)

  @OptionGroup(title: "General options") var options: OutputOptions
  @OptionGroup(visibility: .hidden) var refused: SettingsOptions

  private static let faultNames = FaultRule.Fault.allCases.map(\.rawValue).joined(separator: ", ")

  @Option(help: "Port on 127.0.0.1; 0 selects a free port.")
  var port = 8090

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
    }
    do {
      try await ServiceGroup(
        configuration: .init(
          services: [.init(service: application)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
      ).run()
    } catch let error as TapedeckError {
      throw error
    } catch {
      throw TapedeckError(
        .usage, "The sandbox cannot listen on port \(port). Choose another with --port.", detail: "\(error)",
        cause: error)
    }
  }
}
