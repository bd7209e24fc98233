import Glibc
import Model

/// Reads a password: typed twice without echo on a terminal, otherwise the first line of standard input.
enum PasswordPrompt {
  /// - Throws: `usage` when there is no password, or the two entries differ.
  static func read() throws(TapedeckError) -> String {
    guard isatty(STDIN_FILENO) == 1 else {
      guard let line = readLine(), !line.isEmpty else {
        throw TapedeckError(.usage, "No password was given. Pass it as the first line of standard input.")
      }
      return line
    }
    let first = ask("Password: ")
    guard first == ask("Repeat password: ") else {
      throw TapedeckError(.usage, "The two passwords differ. Run the command again.")
    }
    return first
  }

  private static func ask(_ question: String) -> String {
    var settings = termios()
    tcgetattr(STDIN_FILENO, &settings)
    var withoutEcho = settings
    withoutEcho.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(STDIN_FILENO, TCSANOW, &withoutEcho)
    // Echo is switched off before the question appears, so that an immediate answer is not shown.
    Terminal.write(question)
    defer {
      tcsetattr(STDIN_FILENO, TCSANOW, &settings)
      Terminal.write("\n")
    }
    return readLine() ?? ""
  }
}
