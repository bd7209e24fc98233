package import ArgumentParser
import Foundation
import Glibc
package import Model

/// The program: parses its arguments, runs one command, and turns errors into messages and exit codes.
package struct Tapedeck: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "tapedeck",
    abstract: "Archives call recordings from NICE CXone, plays them under access rules, and logs every access.",
    discussion: """
      Try it             tapedeck demo
      Set it up          tapedeck init
      Check the setup    tapedeck doctor
      Run the server     tapedeck serve
      Create an account  tapedeck user add NAME --role admin
      Fetch recordings   tapedeck ingest ID...
                         tapedeck ingest --from 2026-11-01 --to 2026-11-02

      Settings come from flags, the environment, .env, tapedeck.yaml and defaults;
      the first of these that has a setting counts. 'tapedeck init' asks for those
      that connecting to a tenant requires.

      Exit codes: 0 done, 1 error, 2 usage, 3 partly done, 4 refused, 5 temporary,
      6 not found, 7 integrity, 12 configuration, 130 interrupted.
      """,
    version: version,
    groupedSubcommands: [
      CommandGroup(
        name: "Server",
        subcommands: [
          InitCommand.self, ServeCommand.self, WorkerCommand.self, DoctorCommand.self, DemoCommand.self,
          SandboxCommand.self,
        ]),
      CommandGroup(
        name: "Recording",
        subcommands: [
          IngestCommand.self, SyncCommand.self, BackfillCommand.self, SearchCommand.self, ListCommand.self,
          ShowCommand.self, CoverageCommand.self, StatementCommand.self, VerifyCommand.self, JobsCommand.self,
          QuarantineCommand.self, NoticesCommand.self, PlatformCommand.self,
        ]),
      CommandGroup(name: "Access", subcommands: [TokenCommand.self, UserCommand.self, AuditCommand.self]),
      CommandGroup(
        name: "Storage", subcommands: [MigrateCommand.self, DatabaseCommand.self, StorageCommand.self]),
    ])

  package init() {}

  static let version = "0.1.0"
  /// How Tapedeck identifies itself to platforms and webhook receivers.
  static let userAgent = "Tapedeck/\(version)"

  package static func main() async {
    // Writing to a child process that has ended must not end this process.
    signal(SIGPIPE, SIG_IGN)
    // A write beyond the limit of the size of files then fails instead of ending the process.
    signal(SIGXFSZ, SIG_IGN)
    umask(0o077)
    Descriptors.raiseLimit()
    do {
      var command = try command(from: Array(CommandLine.arguments.dropFirst()))
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
      try Terminal.checkOutput()
    } catch {
      report(error)
      Glibc.exit(exitStatus(of: error).rawValue)
    }
  }

  /// The command that arguments name.
  ///
  /// - Throws: `ValidationError` for an unknown command, and the errors of parsing.
  package static func command(from arguments: [String]) throws -> any ParsableCommand {
    var type: any ParsableCommand.Type = Self.self
    for argument in arguments {
      let subcommands = type.configuration.subcommands
      if subcommands.isEmpty || argument.hasPrefix("-") || argument == "help" { break }
      guard let next = subcommands.first(where: { $0._commandName == argument }) else {
        let advice =
          nearest(to: String(argument.prefix(40)), among: subcommands.map { $0._commandName })
          .map { "Did you mean '\($0)'?" } ?? "'tapedeck --help' lists the commands."
        throw ValidationError("Unknown command '\(argument)'. \(advice)")
      }
      type = next
    }
    return try parseAsRoot(arguments)
  }

  /// The exit code of a command that ends with an error, or with a request for help.
  package static func exitStatus(of error: any Error) -> TapedeckError.ExitStatus {
    switch error {
    case let error as TapedeckError: error.code.exitStatus
    case is CancellationError: .interrupted
    default:
      switch exitCode(for: error) {
      case .success: .done
      case .validationFailure: .usage
      default: .error
      }
    }
  }

  /// The text with its usage line wrapped at spaces outside of brackets, and with the options of every command after
  /// those of this one; the argument parser does the rest.
  package static func wrappedUsage(_ text: String, width: Int = 80) -> String {
    var sections = text.split(separator: "\n\n", omittingEmptySubsequences: false)
    let last = sections.last?.hasSuffix("\n") == true ? "\n" : ""
    if let index = sections.firstIndex(where: { $0.hasPrefix("GENERAL OPTIONS:") }), index < sections.count - 1 {
      let general = sections.remove(at: index)
      if !last.isEmpty { sections[sections.count - 1].removeLast() }
      sections.append(general + last)
    }
    return sections.joined(separator: "\n\n").split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let title = line.prefix(7)
      guard line.count > width, title.lowercased() == "usage: " else { return String(line) }
      var lines: [String] = []
      var current = String(title)
      for word in usageParts(line.dropFirst(title.count)) {
        if current.count + word.count > width, current.count > title.count {
          lines.append(String(current.dropLast()))
          current = String(repeating: " ", count: title.count)
        }
        current += word + " "
      }
      return (lines + [String(current.dropLast())]).joined(separator: "\n")
    }.joined(separator: "\n")
  }

  /// Splits at spaces, but keeps brackets and an option with its value together.
  private static func usageParts(_ usage: Substring) -> [String] {
    var parts: [String] = []
    var depth = 0
    for word in usage.split(separator: " ") {
      let isValue = word.hasPrefix("<") && parts.last?.hasPrefix("--") == true
      if depth > 0 || isValue { parts[parts.count - 1] += " \(word)" } else { parts.append(String(word)) }
      depth += word.count { $0 == "[" } - word.count { $0 == "]" }
    }
    return parts
  }

  /// Writes what went wrong to standard error, or help to standard output.
  private static func report(_ error: any Error) {
    switch error {
    case let error as TapedeckError:
      Terminal.say("tapedeck: \(error.message)")
      if let detail = error.detail, CommandLine.arguments.contains("--verbose") { Terminal.say("  \(detail)") }
    case is CancellationError: break
    default:
      let message = wrappedUsage(fullMessage(for: error))
      if exitStatus(of: error) == .done { Terminal.show(message) } else { Terminal.say(message) }
    }
  }
}
