import Foundation

/// An S3 service on loopback, which checks signatures and permissions; one for the whole test process.
///
/// It is moto, or Ceph or OpenStack Swift when `TAPEDECK_STORE_SERVICE` is `ceph` or `swift`. It ends with this
/// process, however this ends, because its standard input does.
package struct S3Server: Sendable {
  package struct Key: Sendable, Codable {
    package var id: String
    package var secret: String

    package init(id: String, secret: String) {
      self.id = id
      self.secret = secret
    }
  }

  package struct Facts: Sendable, Codable {
    /// `http://127.0.0.1:<port>`.
    package var endpoint: String
    package var bucket: String
    /// The only prefix that `key` may use.
    package var prefix: String
    package var region: String
    /// A key with exactly the permissions that `docs/storage-format.md` lists.
    package var key: Key
    /// A key with all permissions.
    package var observer: Key
  }

  package let facts: Facts
  private let process: Process
  private let standardInput: Pipe

  private static let started = Task { try await TestPython.blocking { try S3Server() } }

  /// The server, started at the first call.
  ///
  /// - Throws: `TestPython.Failure` when the tests' Python is not there.
  package static func running() async throws -> S3Server { try await started.value }

  /// The service that a soak test chose; nil for moto.
  package static let chosen = ProcessInfo.processInfo.environment["TAPEDECK_STORE_SERVICE"]

  private init() throws {
    process = Process()
    process.executableURL = try TestPython.executable()
    process.arguments = [
      URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
        path: "Services/\(Self.chosen ?? "moto")_server.py"
      )
      .path(),
      TestPython.root.appending(path: "docs/storage-format.md").path(),
    ]
    standardInput = Pipe()
    let standardOutput = Pipe()
    process.standardInput = standardInput
    process.standardOutput = standardOutput
    try process.run()
    var line = Data()
    while line.last != UInt8(ascii: "\n") {
      guard let more = try standardOutput.fileHandleForReading.read(upToCount: 1), !more.isEmpty else {
        throw TestPython.Failure(description: "The S3 service ended before it answered; its output is above.")
      }
      line += more
    }
    facts = try JSONDecoder().decode(Facts.self, from: line)
  }
}
