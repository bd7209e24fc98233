import Model
import NIOHTTP1

/// The account that can play the first recording.
struct FirstAccount: Sendable {
  var name: String
  /// Nil unless this command made it up.
  var generatedPassword: String?
  /// What is said in place of a password.
  var passwordText: String

  /// Creates a supervisor account, unless there is one.
  ///
  /// - Parameter password: called when an account is created; nil to generate one.
  static func create(
    _ name: String, _ connection: OperatorClient, password: () throws -> String?
  ) async throws -> FirstAccount {
    let accounts = try await connection.get("/api/v1/accounts").decode(AccountListing.self).accounts
    let supervisor = Role.supervisor.rawValue
    if let existing = accounts.first(where: { $0.role == supervisor && $0.disabledAt == nil }) {
      return FirstAccount(
        name: existing.name, passwordText: "unchanged ('tapedeck user password \(existing.name)' sets another)")
    }
    let given = try password()
    let generated = given == nil ? hex(randomBytes(9)) : nil
    _ = try await connection.send(
      .POST, "/api/v1/accounts", json: NewIdentity(name: name, role: .supervisor, password: given ?? generated ?? ""))
    return FirstAccount(name: name, generatedPassword: generated, passwordText: "as given")
  }
}
