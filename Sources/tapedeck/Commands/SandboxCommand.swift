import ArgumentParser
import Foundation
import Logging
import Model
import Sandbox
import ServiceLifecycle
import UnixSignals

/// `tapedeck sandbox`: a simulated tenant on loopback.
struct SandboxCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sandbox",
    abstract: "Run a simulated CXone tenant with a day of calls, and faults on request.",
    discussion: """
      Point Tapedeck at it with CXONE_BASE_URL=http://127.0.0.1:PORT, CXONE_CLIENT_ID=sandbox-client and
      CXONE_CLIENT_SECRET=sandbox-secret. Faults are asked for with --fault, or while it runs with
      POST /sandbox/faults, for example {"fault": "cut", "recording": "*", "afterBytes": 100000, "times": 1}, or
      {"fault": "rate-limited", "lasts": 10, "every": 60}. PUT /sandbox/limit, for example {"rate": 5, "burst": 10},
      changes how many requests it answers; DELETE /sandbox/limit ends that.
      """)

  @OptionGroup var options: GlobalOptions

  @Option(help: "The port on 127.0.0.1; 0 takes a free one.")
  var port = 8090

  @Option(help: "What the day of calls is made from; the same seed gives the same bytes.")
  var seed: UInt64 = 1

  @Option(help: "How many calls the day has.")
  var calls = 60

  @Option(name: .customLong("token-lifetime"), help: "Seconds that a token is accepted.")
  var tokenLifetime = 3600

  @Option(help: "Requests a second above which the tenant answers 429.")
  var rate: Double?

  @Option(help: "How many requests it answers at once; with --rate, by default a second's worth.")
  var burst: Int?

  @Flag(name: .customLong("no-retry-after"), help: "Do not say in a 429 when to come again.")
  var keepsQuiet = false

  @Option(help: "A fault, such as 'cut,recording=ID,times=1,afterBytes=100000'; may be repeated.")
  var fault: [String] = []

  func run() async throws {
    var configuration = SandboxConfiguration()
    configuration.port = port
    configuration.seed = seed
    configuration.callCount = calls
    configuration.tokenLifetime = tokenLifetime
    configuration.rate = rate
    configuration.burst = burst
    configuration.saysRetryAfter = !keepsQuiet
    for text in fault { configuration.faults.append(try FaultRule(argument: text)) }
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
