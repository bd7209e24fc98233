import Foundation

/// The passwords that guessing programs try first, in lower case (the frequency list of zxcvbn, MIT licence).
enum CommonPasswords {
  private static let all = Set(
    String(decoding: PackageResources.common_passwords_txt, as: UTF8.self).split(separator: "\n").map(String.init))

  /// Whether a password is on the list, in any case and with up to four digits or signs around it, or repeats one
  /// character or a short piece.
  static func contains(_ password: String) -> Bool {
    let plain = password.lowercased()
    if all.contains(plain) { return true }
    let core = plain.drop { !$0.isLetter }.reversed().drop { !$0.isLetter }.reversed()
    if plain.count - core.count <= 4, all.contains(String(core)) { return true }
    let characters = Array(plain)
    return (1...2).contains { piece in
      characters.indices.allSatisfy { characters[$0] == characters[$0 % piece] }
    }
  }
}
