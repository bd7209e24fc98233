import ArgumentParser
import Foundation
import Model
import TransparencyLog

/// `tapedeck statement`: signed statements of coverage.
struct StatementCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "statement", abstract: "Verify signed coverage statements, and print the key to verify them with.",
    subcommands: [Verify.self, Key.self])

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Verify the signature of a statement.",
      discussion: """
        Prints the period, the source, the filter, the totals and the state of the
        statement. Exits with 7 when it is not signed with this key or was changed, and
        with 0 when the signature is valid, even when the statement is INCOMPLETE.

          tapedeck statement verify november.txt --key example.com+1a2b3c4d+AbCd...

        'tapedeck statement key' prints the key of an archive.
        """)

    @Argument(help: ArgumentHelp("File with the statement.")) var file: String
    @Option(help: ArgumentHelp("Verifier key, in the form name+hash+key.")) var key: String

    func validate() throws {
      if NoteVerifierKey(key) == nil { throw ValidationError("--key must be a verifier key: name+hash+key.") }
    }

    func run() throws {
      guard let key = NoteVerifierKey(key) else { throw TapedeckError(.usage) }
      guard let data = try? Data(contentsOf: URL(filePath: file)), let text = String(data: data, encoding: .utf8) else {
        throw TapedeckError(.notFound, "The statement '\(file)' cannot be read. Check the path.")
      }
      guard let note = SignedNote(parsing: text), note.isSigned(by: key) else {
        throw TapedeckError(
          .objectDamaged, "The statement is not signed by \(key.name), or it was changed after signing.")
      }
      Terminal.show("Signed by \(key.name) and unchanged.")
      guard let summary = StatementSummary(parsing: note.text) else {
        return Terminal.show("It is not a coverage statement that this version reads; its content is not summarized.")
      }
      for line in summary.lines { Terminal.show(line) }
    }
  }

  struct Key: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the verifier key of this archive.")

    @OptionGroup(title: "General options") var options: GlobalOptions

    func run() async throws {
      try await withOperator(options) { connection in
        Terminal.show(json: try await connection.get("/operator/statement/key").data)
      }
    }
  }
}
