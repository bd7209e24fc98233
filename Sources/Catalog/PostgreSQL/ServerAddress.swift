import CPostgres
import Model

/// Where the database is and how to get in: a URL as libpq takes it, `postgres://user:password@host:port/database?…`.
///
/// What it does not say libpq finds by itself, in `PGPASSWORD`, `~/.pgpass`, `PGSSLROOTCERT` and the like.
struct ServerAddress: Sendable {
  let url: String
  /// What must not stand in a message.
  private let secrets: [String]

  /// - Throws: `configurationInvalid`. Its sentence quotes nothing: a password with a sign that should have been encoded
  ///   may be anywhere in such a text.
  init(_ url: String) throws(TapedeckError) {
    let malformed = TapedeckError(
      .configurationInvalid,
      """
      The database's URL must be of the form postgres://user:password@host:port/database. Write special characters of \
      the password as %XX.
      """)
    guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://"), !url.utf8.contains(0) else { throw malformed }
    var complaint: UnsafeMutablePointer<CChar>?
    defer { PQfreemem(complaint) }
    guard let first = PQconninfoParse(url, &complaint) else { throw malformed }
    defer { PQconninfoFree(first) }
    var parts: [String: String] = [:]
    var option = first
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { parts[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    // libpq ends user and password at the first @ or /, so a bare one in the password makes the rest of it a host, a
    // port or a database, whose name the server's complaints would tell.
    let isClean =
      !(parts["host"] ?? "").contains("@") && !(parts["dbname"] ?? "").contains("@")
      && (parts["port"] ?? "").utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2C }
    guard isClean else { throw malformed }
    self.url = url
    secrets = ["password", "sslpassword"].compactMap { parts[$0] }.filter { !$0.isEmpty }
  }

  /// The first line of what libpq says, without the password.
  func redacted(_ message: String) -> String {
    let line = message.split(separator: "\n").first.map(String.init) ?? "no reason given"
    return secrets.reduce(line) { $0.replacing($1, with: "…") }
  }
}
