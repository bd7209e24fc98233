import Glibc
import Model

/// Questions to a person at a terminal.
enum Question {
  /// Whether there is a person to ask.
  static var isPossible: Bool { isatty(STDIN_FILENO) == 1 }

  /// Asks for a value; an empty answer keeps the known one.
  ///
  /// - Parameter isSecret: whether the answer is typed without echo, and the known value is not shown.
  /// - Throws: `interrupted` at the end of input.
  static func ask(_ question: String, known: String? = nil, isSecret: Bool = false) throws(TapedeckError) -> String {
    let hint = known.map { isSecret ? " [unchanged]" : " [\($0.showingControls)]" } ?? ""
    let prompt = "\(question)\(hint): "
    let answer: String?
    if isSecret {
      answer = withoutEcho(prompt)
    } else {
      Terminal.write(prompt)
      answer = readLine()
    }
    guard let answer else {
      Terminal.write("\n")
      throw TapedeckError(.interrupted)
    }
    let text = isSecret ? answer : answer.trimmingSpaces
    return text.isEmpty ? known ?? "" : text
  }

  /// Asks a question whose answer is yes unless it begins with N.
  ///
  /// - Throws: `interrupted` at the end of input.
  static func confirm(_ question: String) throws(TapedeckError) -> Bool {
    !(try ask("\(question) [Y/n]").lowercased().hasPrefix("n"))
  }

  /// Reads a line that is not shown; nil at the end of input.
  static func withoutEcho(_ prompt: String) -> String? {
    var settings = termios()
    tcgetattr(STDIN_FILENO, &settings)
    var silent = settings
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(STDIN_FILENO, TCSANOW, &silent)
    // Echo is switched off before the question appears, so that an immediate answer is not shown.
    Terminal.write(prompt)
    defer {
      tcsetattr(STDIN_FILENO, TCSANOW, &settings)
      Terminal.write("\n")
    }
    return readLine()
  }
}

extension String {
  fileprivate var trimmingSpaces: String {
    String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
