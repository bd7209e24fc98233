import CPostgres
import Model

/// The URL of the database in the format of libpq: `postgres://user:password@host:port/database?…`.
///
/// libpq takes missing parts from `PGPASSWORD`, `~/.pgpass`, `PGSSLROOTCERT` and the like.
struct ServerAddress: Sendable {
  let url: String
  /// Texts that messages must not contain.
  private let secrets: [String]

  /// - Throws: `configurationInvalid`. Its message does not quote the URL: with an unencoded special character, the
  ///   password may be in any part of it.
  init(_ url: String) throws(TapedeckError) {
    let malformed = TapedeckError(
      .configurationInvalid,
      """
      The database URL must have the form postgres://user:password@host:port/database. Write special characters of \
      the password as %XX.
      """)
    guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://"), !url.utf8.contains(0) else { throw malformed }
    var message: UnsafeMutablePointer<CChar>?
    defer { PQfreemem(message) }
    guard let first = PQconninfoParse(url, &message) else { throw malformed }
    defer { PQconninfoFree(first) }
    var parts: [String: String] = [:]
    var option = first
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { parts[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    // libpq ends user and password at the first @ or /. With an unencoded one in the password, the rest of the password
    // becomes the host, port or database, which the messages of the server would disclose.
    let isClean =
      !(parts["host"] ?? "").contains("@") && !(parts["dbname"] ?? "").contains("@")
      && (parts["port"] ?? "").utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2C }
    guard isClean else { throw malformed }
    self.url = url
    secrets = ["password", "sslpassword"].compactMap { parts[$0] }.filter { !$0.isEmpty }
  }

  /// The first line of a message of libpq, without secrets.
  func redacted(_ message: String) -> String {
    let line = message.split(separator: "\n").first.map(String.init) ?? "no reason given"
    return secrets.reduce(line) { $0.replacing($1, with: "…") }
  }
}
