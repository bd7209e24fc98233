import CPostgres
import Foundation
import Model
import Synchronization

/// A PostgreSQL server for tests, in a temporary folder. Server and folder disappear with this process, however it
/// ends.
package final class PostgresServer: Sendable {
  /// The server that tests share, started by the first call. It does not sync to disk.
  package static func shared() throws -> PostgresServer { try theShared.get() }
  private static let theShared = Result { try PostgresServer() }

  /// The role that tests connect as. It owns its databases and has no other privileges.
  package static let role = "tapedeck"
  package static let password = "geheim p%w:d/@"

  /// The folder of the server's socket, data and log.
  package let folder: String
  package let port: Int
  /// A shell that starts and stops the server. It ends when its standard input does, which this process holds.
  private let keeper = Process()
  private let orders: FileHandle
  private let answers: FileHandle
  private let names = Atomic(0)
  private let version: Int

  /// Creates a cluster and starts it, which takes a few seconds.
  ///
  /// - Parameter settings: more lines for `postgresql.conf`.
  /// - Throws: `ServerFailure`, also when PostgreSQL is not installed.
  package init(settings: [String] = ["fsync = off", "full_page_writes = off"]) throws {
    let programs = try Self.findPrograms()
    port = try Self.freePort()
    let script = """
      set -eu
      # In memory where there is room: each database has 300 files, and disks are slow to create and remove those.
      place=/tmp
      room=$(df --output=avail --block-size=1G /dev/shm | tail -n 1)
      if [ "${room:-0}" -ge 4 ] && [ -w /dev/shm ]; then place=/dev/shm; fi
      folder=$(mktemp -d $place/tapedeck-postgres.XXXXXX)
      end() { "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop >"$folder/end" 2>&1 || true; rm -rf "$folder"; }
      trap end EXIT
      trap 'exit 1' INT TERM HUP
      "$bin/initdb" -D "$folder/data" -U postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >/dev/null
      printf '%s\\n' "$settings" "unix_socket_directories = '$folder'" >>"$folder/data/postgresql.conf"
      run() { "$bin/pg_ctl" -D "$folder/data" -w -t 300 -s "$@" </dev/null >&2 && echo done; }
      run -l "$folder/log" start
      echo "$folder"
      while read -r word; do
        case "$word" in
          crash) run -m immediate stop ;;
          start) run -l "$folder/log" start ;;
        esac || echo failed
      done
      """
    let lines = ["listen_addresses = '127.0.0.1'", "port = \(port)", "max_connections = 300", "autovacuum = off"]
    // The server does not run as root.
    let user = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
    let command = (geteuid() == 0 ? user : []) + ["/bin/sh", "-c", script]
    keeper.executableURL = URL(filePath: command[0])
    keeper.arguments = Array(command.dropFirst())
    keeper.environment = ProcessInfo.processInfo.environment.merging(
      ["bin": programs.path(), "settings": (lines + settings).joined(separator: "\n")]) { $1 }
    // A folder that every user may enter.
    keeper.currentDirectoryURL = URL(filePath: "/")
    (orders, answers) = try Self.start(keeper)
    guard Self.line(of: answers) == "done", let folder = Self.line(of: answers) else {
      throw ServerFailure("PostgreSQL could not be started; its output is above.")
    }
    self.folder = folder
    let connection = PQconnectdb("host='\(folder)' port=\(port) user=postgres dbname=postgres")
    version = Int(PQserverVersion(connection))
    PQfinish(connection)
    try run("CREATE ROLE \(Self.role) LOGIN PASSWORD '\(Self.password)'")
  }

  /// Stops the server and removes its folder.
  package func stop() {
    orders.closeFile()
    keeper.waitUntilExit()
  }

  // MARK: Databases

  /// Creates a database and returns its name.
  ///
  /// - Parameter template: the database to copy; it must have no connections.
  package func makeDatabase(copyOf template: String = "template1") throws -> String {
    let name = "test_\(names.wrappingAdd(1, ordering: .relaxed).newValue)"
    // Copying files takes a third of the time of the default, which writes a copy to the log.
    let strategy = version >= 150_000 ? "STRATEGY FILE_COPY" : ""
    try run("CREATE DATABASE \(name) OWNER \(Self.role) TEMPLATE \(template) \(strategy)")
    return name
  }

  /// Removes a database and closes its connections.
  package func drop(_ database: String) throws { try run("DROP DATABASE IF EXISTS \(database) WITH (FORCE)") }

  /// The address of a database over the server's socket, which needs no password.
  package func url(of database: String) -> String {
    "postgres://\(Self.role)@/\(database)?host=\(folder)&port=\(port)"
  }

  /// The address of a database over loopback.
  package func networkURL(of database: String, password: String = PostgresServer.password) -> String {
    let encoded = password.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    return "postgres://\(Self.role):\(encoded)@127.0.0.1:\(port)/\(database)"
  }

  /// Runs one statement as a superuser.
  ///
  /// - Returns: the first column of the first row; empty when there is none.
  /// - Throws: `ServerFailure` with the server's message.
  @discardableResult
  package func run(_ statement: String, in database: String = "postgres") throws -> String {
    let connection = PQconnectdb("host='\(folder)' port=\(port) user=postgres dbname='\(database)'")
    defer { PQfinish(connection) }
    let result = PQexec(connection, statement)
    defer { PQclear(result) }
    switch PQresultStatus(result) {
    case PGRES_COMMAND_OK: return ""
    case PGRES_TUPLES_OK: return PQntuples(result) > 0 ? String(cString: PQgetvalue(result, 0, 0)) : ""
    default: throw ServerFailure("\(statement): \(String(cString: PQerrorMessage(connection)))")
    }
  }

  /// Changes a setting of the whole server, or resets it to its default; returns when every session will use the value.
  ///
  /// A reload is asynchronous: the server applies it, signals its sessions, and only then accepts new ones.
  package func set(_ name: String, to value: String?) throws {
    let before = try run("SHOW \(name)")
    if value == before { return }
    try run(value.map { "ALTER SYSTEM SET \(name) = '\($0)'" } ?? "ALTER SYSTEM RESET \(name)")
    try run("SELECT pg_reload_conf()")
    while case let now = try run("SHOW \(name)"), value.map({ now != $0 }) ?? (now == before) {}
  }

  // MARK: Crashes

  /// Ends the server at once, without a shutdown.
  package func crash() throws { try order("crash") }

  /// Starts the server after `crash`.
  package func start() throws { try order("start") }

  private func order(_ order: String) throws {
    try orders.write(contentsOf: Data("\(order)\n".utf8))
    guard Self.line(of: answers) == "done" else {
      throw ServerFailure("PostgreSQL could not be stopped or started; its output is above.")
    }
  }

  // MARK: Programs

  /// The folder of the server's programs, which Debian installs outside of PATH.
  private static func findPrograms() throws -> URL {
    let versions = URL(filePath: "/usr/lib/postgresql")
    let found = ((try? FileManager.default.contentsOfDirectory(atPath: versions.path())) ?? [])
      .compactMap { Int($0) }.sorted().reversed()
      .map { versions.appending(path: "\($0)/bin") }
    let onPath = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map {
      URL(filePath: "\($0)")
    }
    let folder = (found + onPath).first { folder in
      ["initdb", "pg_ctl", "postgres"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: folder.appending(path: $0).path())
      }
    }
    guard let folder else {
      throw ServerFailure("PostgreSQL was not found. 'scripts/bootstrap --for test' installs it.")
    }
    return folder
  }

  /// Held while a program starts: another program that starts meanwhile would inherit its pipes.
  private static let starting = Mutex(())

  /// - Returns: this process's ends of the program's input and output.
  private static func start(_ process: Process) throws -> (input: FileHandle, output: FileHandle) {
    try starting.withLock { _ in
      let (input, output) = (Pipe(), Pipe())
      for file in [
        input.fileHandleForReading, input.fileHandleForWriting, output.fileHandleForReading,
        output.fileHandleForWriting,
      ] {
        _ = fcntl(file.fileDescriptor, F_SETFD, FD_CLOEXEC)
      }
      process.standardInput = input
      process.standardOutput = output
      try process.run()
      return (input.fileHandleForWriting, output.fileHandleForReading)
    }
  }

  /// The next line; nil when there is none.
  private static func line(of file: FileHandle) -> String? {
    var bytes: [UInt8] = []
    while let byte = file.readData(ofLength: 1).first, byte != 0x0A { bytes.append(byte) }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  /// A free port of loopback; the server cannot choose one by itself. The system gives higher ports to connections,
  /// which could take such a port before the server starts.
  private static func freePort() throws -> Int {
    for port in (20_000..<30_000).shuffled().prefix(100) {
      let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(file) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = UInt16(port).bigEndian
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      let failed = withUnsafePointer(to: &address) { address in
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          bind(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) != 0
        }
      }
      if !failed { return port }
    }
    throw ServerFailure("There is no free port on loopback.")
  }
}

/// Why a test has no server, or why a statement failed.
package struct ServerFailure: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}
