import ArgumentParser
import Foundation
import Glibc
import Model

/// The program: parses its arguments, runs one command, and turns whatever happens into words and an exit code.
@main
struct Tapedeck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tapedeck",
    abstract: "Archives call recordings from NICE CXone, plays them under privacy rules, and logs every access.",
    discussion: """
      Try it:            tapedeck demo
      Set it up:         tapedeck doctor, then tapedeck serve
      First account:     tapedeck user add NAME --role supervisor
      Fetch recordings:  tapedeck ingest ID...
                         tapedeck ingest --from 2026-11-01 --to 2026-11-02 --direction outbound

      Settings come from flags, the environment, .env, tapedeck.yaml and defaults, in this order. At least
      CXONE_BASE_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET are needed to reach a tenant.

      Exit codes: 0 done, 1 error, 2 usage, 3 partly done, 4 refused, 5 temporary, 6 not found, 7 integrity,
      12 configuration, 130 interrupted.
      """,
    version: version,
    subcommands: [
      Serve.self, WorkerCommand.self, Demo.self, SandboxCommand.self, Doctor.self, Initialize.self,
      IngestCommand.self, SyncCommand.self, BackfillCommand.self, Search.self, List.self, Show.self,
      CoverageCommand.self, StatementCommand.self, VerifyCommand.self, JobsCommand.self, PlatformCommand.self,
      TokenCommand.self, UserCommand.self, AuditCommand.self, MigrateCommand.self, DatabaseCommand.self,
      StorageCommand.self,
    ])

  static let version = "0.1.0"
  /// How we introduce ourselves to platforms and receivers.
  static let userAgent = "Tapedeck/\(version)"

  static func main() async {
    // A child that ends while we write to it must not take us along.
    signal(SIGPIPE, SIG_IGN)
    umask(0o077)
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      try Terminal.checkOutput()
    } catch {
      Glibc.exit(report(error))
    }
  }

  /// Says what went wrong, on standard error, and how the process should end.
  private static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as TapedeckError:
      Terminal.say("tapedeck: \(error.message)")
      if let detail = error.detail, CommandLine.arguments.contains("--verbose") { Terminal.say("  \(detail)") }
      return error.code.exitStatus.rawValue
    case is CancellationError:
      return TapedeckError.ExitStatus.interrupted.rawValue
    default:
      let message = fullMessage(for: error)
      guard exitCode(for: error) != .success else {
        Terminal.show(message)
        return 0
      }
      Terminal.say(message)
      return exitCode(for: error) == .validationFailure
        ? TapedeckError.ExitStatus.usage.rawValue : TapedeckError.ExitStatus.error.rawValue
    }
  }
}
