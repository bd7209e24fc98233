import ArgumentParser
import Foundation
import Model
import TransparencyLog

/// `tapedeck statement`: signed statements of coverage.
struct StatementCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "statement", abstract: "Verify signed statements, and show the key that they are verified with.",
    subcommands: [Verify.self, Key.self])

  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Verify a statement with the key of whoever made it; ends with 7 when it is not theirs.")

    @Argument(help: "The statement.") var file: String
    @Option(help: "The verifier key: name+hash+key.") var key: String

    func run() async throws {
      guard let key = NoteVerifierKey(key) else {
        throw TapedeckError(.usage, "--key is a verifier key of the form name+hash+key.")
      }
      guard let data = try? Data(contentsOf: URL(filePath: file)), let text = String(data: data, encoding: .utf8) else {
        throw TapedeckError(.notFound, "The statement cannot be read: \(file)")
      }
      guard let note = SignedNote(parsing: text), note.isSigned(by: key) else {
        throw TapedeckError(.objectDamaged, "The statement is not signed by \(key.name), or it was changed.")
      }
      Terminal.show("Signed by \(key.name), and not changed since.")
    }
  }

  struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the verifier key of this archive.")

    @OptionGroup var options: GlobalOptions

    func run() async throws {
      try await withOperator(options) { connection in
        Terminal.show(json: try await connection.get("/operator/statement/key").data)
      }
    }
  }
}
