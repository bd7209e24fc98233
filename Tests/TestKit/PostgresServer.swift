import Foundation
import Model
import Synchronization

/// A PostgreSQL server of the tests' own, in a temporary folder that is gone with the process, however that ends.
package final class PostgresServer: Sendable {
  /// The one that tests share; started by the first that asks. It does not sync to disk.
  package static func shared() throws -> PostgresServer { try theShared.get() }
  private static let theShared = Result { try PostgresServer() }

  /// The role that tests connect as: it owns its databases and is nothing more.
  package static let role = "tapedeck"
  package static let password = "geheim p%w:d/@"

  /// Where the server's socket is, its data and its log.
  package let folder: String
  package let port: Int
  private let programs: URL
  /// A shell that starts and stops the server. It ends when its orders do, and they end with this process.
  private let keeper = Process()
  private let orders: FileHandle
  private let answers: FileHandle
  private let names = Atomic(0)

  /// Makes a cluster and starts it, which takes a few seconds.
  ///
  /// - Parameter settings: more lines for `postgresql.conf`.
  /// - Throws: `ServerFailure`, also when PostgreSQL is not installed.
  package init(settings: [String] = ["fsync = off", "full_page_writes = off"]) throws {
    programs = try Self.findPrograms()
    port = try Self.freePort()
    let script = """
      set -eu
      folder=$(mktemp -d /tmp/tapedeck-postgres.XXXXXX)
      end() { "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop >"$folder/end" 2>&1 || true; rm -rf "$folder"; }
      trap end EXIT
      trap 'exit 1' INT TERM HUP
      "$bin/initdb" -D "$folder/data" -U postgres --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >/dev/null
      printf '%s\\n' "$settings" "unix_socket_directories = '$folder'" >>"$folder/data/postgresql.conf"
      run() { "$bin/pg_ctl" -D "$folder/data" -w -s "$@" </dev/null >&2 && echo done; }
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
    // As `postgres` when we are root, for whom the server does not run.
    let user = ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"]
    let command = (geteuid() == 0 ? user : []) + ["/bin/sh", "-c", script]
    keeper.executableURL = URL(filePath: command[0])
    keeper.arguments = Array(command.dropFirst())
    keeper.environment = ProcessInfo.processInfo.environment.merging(
      ["bin": programs.path(), "settings": (lines + settings).joined(separator: "\n")]) { $1 }
    // Where `postgres` may be, whoever we are.
    keeper.currentDirectoryURL = URL(filePath: "/")
    (orders, answers) = try Self.start(keeper)
    guard Self.line(of: answers) == "done", let folder = Self.line(of: answers) else {
      throw ServerFailure("PostgreSQL could not be started; its own words are above.")
    }
    self.folder = folder
    try run("CREATE ROLE \(Self.role) LOGIN PASSWORD '\(Self.password)'")
  }

  /// Stops the server and removes its folder.
  package func stop() {
    orders.closeFile()
    keeper.waitUntilExit()
  }

  // MARK: Databases

  /// A new database.
  ///
  /// - Parameter template: a database to copy, to which nobody is connected.
  /// - Returns: its name.
  package func makeDatabase(copyOf template: String = "template1") throws -> String {
    let name = "test_\(names.wrappingAdd(1, ordering: .relaxed).newValue)"
    try run("CREATE DATABASE \(name) OWNER \(Self.role) TEMPLATE \(template)")
    return name
  }

  /// Removes a database, whoever is still connected to it.
  package func drop(_ database: String) throws { try run("DROP DATABASE IF EXISTS \(database) WITH (FORCE)") }

  /// The address of a database over the server's socket, which asks nobody for a password.
  package func url(of database: String) -> String {
    "postgres://\(Self.role)@/\(database)?host=\(folder)&port=\(port)"
  }

  /// The address of a database over loopback.
  package func networkURL(of database: String, password: String = PostgresServer.password) -> String {
    let encoded = password.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    return "postgres://\(Self.role):\(encoded)@127.0.0.1:\(port)/\(database)"
  }

  /// Runs one statement as the server's owner.
  @discardableResult
  package func run(_ statement: String, in database: String = "postgres") throws -> String {
    let psql = Process()
    psql.executableURL = programs.appending(path: "psql")
    psql.arguments = [
      "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", folder, "-p", "\(port)", "-U", "postgres", "-d", database,
      "-c", statement,
    ]
    return try Self.output(of: psql)
  }

  // MARK: Accidents

  /// Ends the server as a crash does: nothing is finished, nobody is told.
  package func crash() throws { try give("crash") }

  /// Starts it again after `crash`.
  package func start() throws { try give("start") }

  private func give(_ order: String) throws {
    try orders.write(contentsOf: Data("\(order)\n".utf8))
    guard Self.line(of: answers) == "done" else { throw ServerFailure("PostgreSQL refused; its own words are above.") }
  }

  // MARK: Programs

  /// Debian keeps the server's programs where nobody's PATH looks.
  private static func findPrograms() throws -> URL {
    let versions = URL(filePath: "/usr/lib/postgresql")
    let found = ((try? FileManager.default.contentsOfDirectory(atPath: versions.path())) ?? [])
      .compactMap { Int($0) }.sorted().reversed()
      .map { versions.appending(path: "\($0)/bin") }
    let onPath = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map {
      URL(filePath: "\($0)")
    }
    let folder = (found + onPath).first { folder in
      ["initdb", "pg_ctl", "postgres", "psql"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: folder.appending(path: $0).path())
      }
    }
    guard let folder else {
      throw ServerFailure("PostgreSQL was not found. 'scripts/bootstrap --for test' installs it.")
    }
    return folder
  }

  @discardableResult
  private static func output(of process: Process) throws -> String {
    let (orders, answers) = try start(process)
    orders.closeFile()
    let words = answers.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw ServerFailure("PostgreSQL refused; its own words are above.") }
    return String(decoding: words, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// One start at a time: a program that is started while another's pipes are made would hold them open.
  private static let starting = Mutex(())

  /// - Returns: the ends of a program's input and output that are ours.
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

  /// A port of loopback that nobody uses; the server takes none by itself.
  private static func freePort() throws -> Int {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(file) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let failed = withUnsafeMutablePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(file, $0, length) != 0 || getsockname(file, $0, &length) != 0
      }
    }
    if failed { throw ServerFailure("There is no free port on loopback.") }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

/// Why there is no server to test with.
package struct ServerFailure: Error, CustomStringConvertible {
  package let description: String

  init(_ description: String) { self.description = description }
}
