import ArgumentParser
import AsyncHTTPClient
import Foundation
import Glibc
import Logging
import Metrics
import Model
import NIOHTTP1
import Observability
import Sandbox
import ServiceLifecycle
import SystemPackage
import UnixSignals

/// `tapedeck demo`: a sandbox tenant, a server, a few recordings and two accounts.
struct DemoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo", abstract: "Try Tapedeck with a simulated tenant, sample calls and two accounts.",
    discussion: """
      Uses the folder tapedeck-demo, which is deleted and created again at each
      start, and runs until you press Ctrl-C. Reads no settings.
      """)

  @OptionGroup(title: "General options") var options: OutputOptions
  @OptionGroup(visibility: .hidden) var refused: SettingsOptions

  @Option(
    help: ArgumentHelp(
      "Host and port to listen on; a free port is used when the port is taken.", valueName: "host:port"))
  var listen = "127.0.0.1:8080"

  @Option(help: ArgumentHelp("Number of calls to fetch.", valueName: "number"))
  var calls = 16

  @Option(
    help: ArgumentHelp("The API of the simulated tenant: recordings-v2 or media-playback.", valueName: "name"),
    transform: { text in try SandboxCommand.contract(text) })
  var contract = SandboxContract.recordingsV2

  @Flag(help: "Stop after printing the address and the passwords.")
  var once = false

  func validate() throws {
    guard refused.isEmpty else {
      throw ValidationError(
        "The demo uses the folder 'tapedeck-demo' and no configuration file. Omit --data-dir and --config.")
    }
  }

  func run() async throws {
    let folder = FileManager.default.currentDirectoryPath + "/tapedeck-demo"
    let directory = DataDirectory(path: FilePath(folder))
    let lock = try prepare(directory)
    var logger = Logger(label: "demo") { TextLogHandler(label: $0) }
    logger.logLevel = options.verbose ? .debug : .error

    let (ports, found) = AsyncStream.makeStream(of: Int.self)
    var configuration = SandboxConfiguration()
    configuration.contract = contract
    let tenant = try SandboxTenant(configuration: configuration, logger: logger)
    let sandbox = tenant.makeApplication { port in
      found.yield(port)
      found.finish()
    }
    // The media host serves the contract media-playback only, and is not used otherwise.
    let tenantGroup = ServiceGroup(
      configuration: .init(
        services: [.init(service: tenant.makeMediaHost()), .init(service: sandbox)], logger: logger.forServices))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await tenantGroup.run() }
      var tenantPort = 0
      for await port in ports { tenantPort = port }
      Terminal.say("1/4 The simulated tenant listens on http://127.0.0.1:\(tenantPort)")
      let settings = try await settings(folder: folder, tenant: tenant.configuration, port: tenantPort)
      try await serve(settings, directory: directory, lock: lock, tenant: tenant, logger: logger)
      await tenantGroup.triggerGracefulShutdown()
      try await group.waitForAll()
    }
  }

  /// Creates the demo folder. An earlier demo's folder is replaced; any other folder of that name is left alone.
  private func prepare(_ directory: DataDirectory) throws -> DataDirectoryLock {
    if directory.exists {
      guard directory.isDemo else {
        throw TapedeckError(
          .configurationInvalid, "The folder 'tapedeck-demo' was not created by Tapedeck. Move or rename it.")
      }
      guard try directory.tryLock() != nil else {
        throw TapedeckError(.dataDirectoryInUse, "Another demo is running in this folder. Stop it, then try again.")
      }
      try FileManager.default.removeItem(atPath: directory.path.string)
    }
    try directory.make()
    try directory.markAsDemo()
    guard let lock = try directory.tryLock() else { throw TapedeckError(.dataDirectoryInUse) }
    return lock
  }

  private func settings(folder: String, tenant: SandboxConfiguration, port: Int) async throws -> Settings {
    let free = Self.isFree(listen) ? listen : "127.0.0.1:0"
    let address = "http://127.0.0.1:\(port)"
    var flags: [Setting: String] = [
      .clientID: tenant.clientID, .clientSecret: tenant.clientSecret, .rate: "0", .sync: "off",
      .dataDirectory: folder, .listen: free,
    ]
    switch tenant.contract {
    case .recordingsV2: flags[.baseURL] = address
    case .mediaPlayback:
      let own: [Setting: String] = [
        .contract: tenant.contract.rawValue, .issuerURL: address, .areaURL: address, .mediaHosts: "127.0.0.1",
        .accessKeyID: tenant.accessKeyID, .accessKeySecret: tenant.accessKeySecret, .mediaRate: "1000/1s",
        .mediaFirstAsk: "1",
      ]
      flags.merge(own) { $1 }
    }
    let reader = try await SettingsReader(
      flags: flags, file: nil, environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""], folder: folder)
    return try Settings(reader, needsPlatform: true, folder: folder)
  }

  private func serve(
    _ settings: Settings, directory: DataDirectory, lock: DataDirectoryLock, tenant: SandboxTenant, logger: Logger
  ) async throws {
    let exporter = PrometheusExporter()
    MetricsSystem.bootstrap(exporter)
    let (ports, found) = AsyncStream.makeStream(of: Int.self)
    try await Node.with(
      settings: settings, directory: directory, lock: lock,
      tasks: .init(works: true, serves: true, runsRecurringTasks: true) { port in
        if let port { found.yield(port) }
        found.finish()
      }, exporter: exporter, logger: logger
    ) { node in
      let group = node.serviceGroup(stoppedBy: [.sigint, .sigterm], logger: logger)
      try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        tasks.addTask {
          var port = 0
          for await value in ports { port = value }
          guard port > 0 else { return }
          let address = "http://\(Settings.Address(host: settings.listen.host, port: port).text)"
          Terminal.say("2/4 Tapedeck listens on \(address)")
          try await introduce(address, directory: directory, tenant: tenant)
          if once { await group.triggerGracefulShutdown() }
        }
        try await tasks.waitForAll()
      }
    }
  }

  /// Creates the accounts, downloads the calls, and prints the address and the passwords.
  private func introduce(_ address: String, directory: DataDirectory, tenant: SandboxTenant) async throws {
    try await HTTPClient.withHTTPClient { client in
      let connection = OperatorClient(client: client, socket: try directory.socket())
      let passwords = try await makeAccounts(connection)
      Terminal.say("3/4 Two accounts created. Fetching \(counted(calls, "call")) …")
      let keys = Self.choose(from: tenant, count: calls)
      var batch = IngestBatch(keys, connection: connection, options: options, json: false)
      _ = try await batch.run()
      Terminal.say("4/4 Ready.\n")
      Terminal.show(
        """
        Open        \(address)
        Agent       name agent       password \(passwords.agent)
        Supervisor  name supervisor  password \(passwords.supervisor)

        The supervisor can play restricted calls and read the access log; the agent cannot.
        The data directory is \(directory.path). Use it in other commands with --data-dir, for example:
          \(CommandLine.arguments[0]) audit list --data-dir tapedeck-demo
        """)
      if !once { Terminal.say("\nPress Ctrl-C to stop.") }
    }
  }

  private func makeAccounts(_ connection: OperatorClient) async throws -> (agent: String, supervisor: String) {
    func make(_ role: Role) async throws -> String {
      let password = hex(randomBytes(6))
      _ = try await connection.send(
        .POST, "/api/v1/accounts", json: NewIdentity(name: role.rawValue, role: role, password: password))
      return password
    }
    return (try await make(.agent), try await make(.supervisor))
  }

  /// Selects spoken calls first, then a restricted one, one that is not ready yet, and short calls of the day.
  private static func choose(from tenant: SandboxTenant, count: Int) -> [RecordingKey] {
    let listed = tenant.recordings.filter { !$0.isHidden && $0.durationSeconds < 240 && !$0.id.hasPrefix("media-") }
    let ids = listed.map(\.id)
    let special = ids.filter { $0.hasPrefix("spoken-") } + ["restricted-01", "processing-01"]
    let rest = ids.filter { !special.contains($0) && $0 != "failed-01" && $0 != "never-01" }
    return (special + rest).prefix(max(1, count)).compactMap { id in
      // The other contract has IDs of contacts.
      let platformID = tenant.configuration.contract == .mediaPlayback ? tenant.recording(id)?.contactID : id
      return platformID.flatMap(RecordingID.init).map { RecordingKey(id: $0) }
    }
  }

  private static func isFree(_ address: String) -> Bool {
    guard let port = address.split(separator: ":").last.flatMap({ UInt16($0) }) else { return false }
    let descriptor = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { Glibc.close(descriptor) }
    var reuse: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    var target = sockaddr_in()
    target.sin_family = sa_family_t(AF_INET)
    target.sin_port = port.bigEndian
    target.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &target) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
