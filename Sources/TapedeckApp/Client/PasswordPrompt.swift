import Glibc
import Model

/// Reads a password: typed twice without echo on a terminal, otherwise the first line of standard input.
enum PasswordPrompt {
  /// - Throws: `usage` when there is no password, or the two entries differ.
  static func read() throws(TapedeckError) -> String {
    guard Question.isPossible else {
      guard let line = readLine(), !line.isEmpty else {
        throw TapedeckError(.usage, "No password was given. Pass it as the first line of standard input.")
      }
      return line
    }
    return try typedTwice("Password: ")
  }

  /// Reads a password from the terminal; empty when nothing is typed.
  ///
  /// - Throws: `usage` when the two entries differ.
  static func typedTwice(_ prompt: String) throws(TapedeckError) -> String {
    let first = Question.withoutEcho(prompt) ?? ""
    guard first.isEmpty || first == Question.withoutEcho("Repeat password: ") else {
      throw TapedeckError(.usage, "The two passwords differ. Run the command again.")
    }
    return first
  }
}
