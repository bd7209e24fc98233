import Foundation
package import Model

/// The words of a text as the search knows them, for what is stored and for what is asked; one rule for both databases.
///
/// A word is a run of letters and digits; everything else stands between words, so that `+44 20-7946` is `44`, `20` and
/// `7946`, and `anna@example.com` three words. Upper and lower case are the same (Unicode's full case folding: `ß` is
/// `ss`), and letters are the same with and without accents (U+0300–U+036F after decomposition: `é` is `e`, but `ø`, which
/// does not decompose, is a letter of its own). This is how FTS5's `unicode61` splits, except that other marks belong to
/// the letter before them, so that words of Indian scripts stay whole.
///
/// The words of a recording are stored. Another rule needs a migration that writes them anew.
package enum SearchWords {
  /// Longer words are cut, since a database refuses keys without bound; they are found by what is left.
  static let maximumBytes = 255
  /// More than any call has; the rest of a platform's runaway text is not searched.
  static let maximumCount = 500

  /// What a recording is found by: each word once, with a space between them. Those that stand in the two addresses alone
  /// are apart, since not everybody who may search may see them.
  package static func stored(
    for facts: PlatformRecording, of key: RecordingKey
  ) -> (words: String, addressWords: String) {
    var seen = Set<String>()
    func kept(_ fields: [String?]) -> String {
      var kept: [String] = []
      for field in fields {
        for word in words(of: field ?? "") where seen.count < maximumCount && seen.insert(word).inserted {
          kept.append(word)
        }
      }
      return kept.joined(separator: " ")
    }
    let open = kept([
      key.id.rawValue, facts.agentName, facts.agentID, facts.skillName, facts.campaignName, facts.contactID,
      facts.disposition,
    ])
    return (open, kept([facts.fromAddress, facts.toAddress]))
  }

  /// The words of a text in their order.
  package static func words(of text: String) -> [String] {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return asciiWords(of: text) }
    // Through upper case, which brings together what lower case keeps apart, such as the two small sigmas.
    let folded = text.lowercased().uppercased().lowercased().decomposedStringWithCanonicalMapping
    var words: [String] = []
    var word = String.UnicodeScalarView()
    func end() {
      if !word.isEmpty { words.append(String(word).precomposedStringWithCanonicalMapping.cut(toBytes: maximumBytes)) }
      word = String.UnicodeScalarView()
    }
    for scalar in folded.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
        .letterNumber, .otherNumber, .privateUse:
        word.append(scalar)
      case .nonspacingMark, .spacingMark, .enclosingMark:
        if !(0x300...0x36F).contains(scalar.value), !word.isEmpty { word.append(scalar) }
      default: end()
      }
    }
    end()
    return words
  }

  /// The same for the texts that nearly all are, in a tenth of the time.
  private static func asciiWords(of text: String) -> [String] {
    text.utf8.split { byte in
      !((0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte))
    }.map { bytes in
      String(decoding: bytes.prefix(maximumBytes).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
  }
}
