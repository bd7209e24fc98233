import ArgumentParser
import Foundation
import Model
import TapedeckApp
import Testing

@Suite struct CommandLineTests {
  /// The error of parsing arguments, or a request for help; nil when a command would run.
  private func outcome(of arguments: [String]) -> (any Error)? {
    do {
      var command = try Tapedeck.command(from: arguments)
      // Help is a command that is not asynchronous, and ends by throwing its text.
      if !(command is any AsyncParsableCommand) { try command.run() }
      return nil
    } catch { return error }
  }

  private func exitStatus(of arguments: [String]) -> TapedeckError.ExitStatus? {
    outcome(of: arguments).map { Tapedeck.exitStatus(of: $0) }
  }

  private func message(of arguments: [String]) -> String {
    outcome(of: arguments).map { Tapedeck.fullMessage(for: $0) } ?? ""
  }

  static let usageErrors = [
    "nonsense", "ingest", "ingest x --from 2026-01-01 --to 2026-01-02", "ingest --from 2026-01-01",
    "ingest --from yesterday --to today", "ingest --from 2026-01-02 --to 2026-01-01",
    "ingest --from 2026-01-01 --to 2026-01-02 --direction sideways", "ingest x --source No", "show",
    "show \(String(repeating: "a", count: 501))", "show x --source No", "search", "search --from 2026-01-01",
    "list --limit many", "token create", "token create x", "token create x --role king", "user add x",
    "user add x --role king", "sandbox --fault nonsense", "sandbox --fault cut,times=0", "jobs retry",
    "jobs retry x --failed", "jobs retry x --code y", "jobs cancel", "jobs list --source No", "verify",
    "verify --all x", "verify --all --sample 5%", "verify --sample 0", "verify --sample 101%", "verify --sample many",
    "verify --shard 0/3", "verify --shard 4/3", "verify --shard 3", "verify --shard 1/0", "verify --seed 1 --all",
    "verify --all --source No", "lst", "audit lsit", "list --limit 5 --all", "list --limit 5 --csv",
    "list --csv --json", "audit list --csv --json", "demo --data-dir x", "demo --config x",
    "coverage --from 2026-01-01", "coverage --from 2026-01-02 --to 2026-01-02",
    "coverage --from 2026-13-01 --to 2026-12-31", "coverage --from 2025-01-01 --to 2026-12-31",
    "backfill start --from 2026-01-02 --to 2026-01-01", "backfill start --from then --to now", "backfill pause",
    "statement verify file --key nonsense", "sync --source No", "db forget-secret", "serve extra",
    "list --status redy", "list --direction up", "list --from then", "list --from 2026-01-02 --to 2026-01-01",
    "list --limit 0", "list --limit 501", "audit list --limit 1001", "audit list --what nonsense",
    "audit list --outcome maybe", "audit list --to 2026-13-01", "jobs list --state idle", "jobs list --code nonsense",
    "jobs list --limit 0", "quarantine list --limit 1001", "notices list --limit 1001", "user add x --role metrics", "user role x metrics",
    "backfill start --from 2026-01-01 --to 2026-01-02 --direction up",
  ]

  @Test(arguments: usageErrors)
  func `wrong usage is reported while arguments are parsed`(line: String) {
    let arguments = line.split(separator: " ").map(String.init)
    #expect(exitStatus(of: arguments) == .usage)
    #expect(message(of: arguments).hasPrefix("Error: "))
  }

  static let valid = [
    "ingest a b", "ingest --from 2026-01-01 --to 2026-01-02T12:00:00Z --direction inbound --source emea", "show x",
    "search --from 2026-01-01 --to 2026-01-02 --agent 1", "verify --all", "verify --sample 5%", "verify --sample 0.5",
    "verify --sample 5 --seed 7", "verify --shard 3/3", "verify a b --source emea",
    "jobs retry --failed --code disk_full",
    "jobs retry 1 2", "coverage --from 2026-01-01 --to 2027-02-05", "backfill start --from 2020-01-01 --to 2026-01-01",
    "token create x --role metrics", "user add x --role agent --agent-id 1 --team a", "serve --listen 127.0.0.1:0",
    "sandbox --fault cut,recording=x,times=2", "audit list --who x --json", "list", "db forget-secret X",
    "list --all --json", "list --csv --agent x", "list --from 2026-01-01 --to 2026-01-01", "audit list --all",
    "audit list --csv", "jobs list --state queued",
    "demo --once",
  ]

  @Test(arguments: valid)
  func `valid arguments are accepted`(line: String) {
    #expect(exitStatus(of: line.split(separator: " ").map(String.init)) == nil)
  }

  @Test(arguments: [
    ("ingest", "either IDs or --from and --to"), ("ingest --from 2026-01-01", "both --from and --to"),
    ("ingest --from x --to y", "--from must be a day such as 2026-11-12, or a timestamp"),
    ("search --from 2026-01-02 --to 2026-01-01", "--from must be before --to"),
    ("verify --shard 4/3", "--shard must be a part such as 3/30"), ("verify", "exactly one of --all"),
    ("show x --source No", "--source must be the name of a source"),
    ("coverage --from 2025-01-01 --to 2026-12-31", "at most 400 days"),
    ("user add x --role king", "--role must be agent, supervisor or admin."),
    ("token create x --role king", "--role must be agent, supervisor, admin or metrics."),
    ("list --status redy", "--status must be ready, under_way, failed, known or damaged. Did you mean 'ready'?"),
    ("list --from then", "--from must be a day such as 2026-11-12, or a timestamp"),
    ("list --from 2026-01-02 --to 2026-01-01", "--from must not be after --to"),
    ("list --limit 501", "--limit must be a number from 1 to 500."),
    ("audit list --limit 1001", "--limit must be a number from 1 to 1,000."),
    ("audit list --what lisst", "--what has no value 'lisst'. Did you mean 'list'?"),
    ("jobs list --state idle", "--state must be queued, leased, waiting, "),
    ("backfill start --from 2026-01-01 --to then", "--to must be a day such as 2026-11-12."),
    ("list --jason", "Did you mean '--json'"),
    ("lst", "Unknown command 'lst'. Did you mean 'list'?"), ("serv", "Did you mean 'serve'?"),
    ("audit lsit", "Did you mean 'list'?"), ("jobs retyr x", "Did you mean 'retry'?"),
    ("xylophone", "'tapedeck --help' lists the commands"), ("demo --data-dir x", "tapedeck-demo"),
    ("list --limit 5 --all", "--limit cannot be combined with"),
  ])
  func `a usage error says what to do`(line: String, advice: String) {
    #expect(message(of: line.split(separator: " ").map(String.init)).contains(advice))
  }

  @Test func `help lists every command and the exit codes`() {
    let help = Tapedeck.helpMessage()
    let commands = [
      "serve", "worker", "demo", "sandbox", "doctor", "init", "ingest", "sync", "backfill", "search", "list", "show",
      "coverage", "statement", "verify", "jobs", "platform", "token", "user", "audit", "migrate", "db", "storage",
    ]
    for command in commands {
      #expect(help.split(separator: "\n").contains { $0.hasPrefix("  \(command) ") }, "\(command)")
      #expect(exitStatus(of: [command, "--help"]) == .done)
      let own = message(of: [command, "--help"])
      #expect(own.contains("OVERVIEW: ") && own.contains("USAGE: tapedeck \(command)"), "\(command)")
    }
    for code in ["0 done", "2 usage", "3 partly done", "7 integrity", "12 configuration"] {
      #expect(help.contains(code))
    }
  }

  @Test(arguments: [
    "serve", "ingest", "list", "search", "coverage", "verify", "sandbox", "backfill start", "jobs retry",
    "quarantine accept", "token create", "user add", "audit list", "statement verify",
  ])
  func `no line of help is longer than a terminal is wide, and general options come last`(command: String) {
    let help = Tapedeck.wrappedUsage(message(of: command.split(separator: " ").map(String.init) + ["--help"]))
    for line in help.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    guard let general = help.range(of: "GENERAL OPTIONS:") else { return #expect(command == "statement verify") }
    let own = help.range(of: "\nOPTIONS:") ?? help.range(of: "\nARGUMENTS:")
    #expect(own.map { $0.lowerBound < general.lowerBound } ?? true)
    #expect(!help[general.upperBound...].contains("--from"))
  }

  @Test(arguments: [
    ("Usage: tapedeck a [-b] <c>", "Usage: tapedeck a [-b] <c>"),
    ("USAGE: tapedeck a [--bb <cc>] [--dd <ee>]", "USAGE: tapedeck a\n       [--bb <cc>]\n       [--dd <ee>]"),
    ("USAGE: tapedeck a --bb <cc> [<dd> ...]", "USAGE: tapedeck a\n       --bb <cc>\n       [<dd> ...]"),
    ("A line that is longer than it should be", "A line that is longer than it should be"),
  ])
  func `usage lines are wrapped between options`(text: String, wrapped: String) {
    #expect(Tapedeck.wrappedUsage(text, width: 26) == wrapped)
  }

  @Test(arguments: ["--data-dir x", "--config x", "--data-dir x --config y", "--once --data-dir tapedeck-demo"])
  func `the demo refuses options that it would ignore`(options: String) {
    #expect(message(of: ["demo"] + options.split(separator: " ").map(String.init)).contains("Omit --data-dir"))
  }

  @Test(arguments: ["demo", "sandbox"])
  func `a command that reads no settings has no options for them in its help`(command: String) {
    let help = message(of: [command, "--help"])
    #expect(!help.contains("--data-dir") && !help.contains("--config") && help.contains("--quiet"))
    #expect(exitStatus(of: [command, "--config", "x"]) == .usage)
    let other = message(of: ["list", "--help"])
    #expect(other.contains("--data-dir") && other.contains("--config") && other.contains("--quiet"))
  }

  @Test(arguments: ["--direction outbound", "--agent ag-1"])
  func `ingest by ID refuses options that it would ignore`(options: String) {
    let arguments = ["ingest", "x"] + options.split(separator: " ").map(String.init)
    #expect(exitStatus(of: arguments) == .usage)
    #expect(message(of: arguments).contains("require --from and --to"))
  }

  @Test func `equal ends of a period are refused with the reason`() {
    let text = message(of: ["ingest", "--from", "2026-11-01", "--to", "2026-11-01"])
    #expect(text.contains("--from must be before --to, because --to is excluded."))
  }

  @Test(arguments: ["migrate", "migrate status", "migrate up"])
  func `the help of migrations says that the server must be stopped`(command: String) {
    #expect(message(of: command.split(separator: " ").map(String.init) + ["--help"]).contains("stop the server first"))
  }

  @Test func `the version is printed alone`() {
    #expect(exitStatus(of: ["--version"]) == .done)
    #expect(message(of: ["--version"]).wholeMatch(of: /\d+\.\d+\.\d+/) != nil)
  }

  @Test func `every error has the documented exit code`() {
    #expect(Tapedeck.exitStatus(of: TapedeckError(.partlyDone)) == .partlyDone)
    #expect(Tapedeck.exitStatus(of: TapedeckError(.configurationInvalid)) == .configuration)
    #expect(Tapedeck.exitStatus(of: CancellationError()) == .interrupted)
    #expect(Tapedeck.exitStatus(of: ValidationError("x")) == .usage)
    #expect(Tapedeck.exitStatus(of: ExitCode.failure) == .error)
  }
}
