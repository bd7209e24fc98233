import Foundation
package import Model

/// Splits text into search words: the facts of a recording when they are stored, and a query when it is run.
///
/// A word is a run of letters and digits: `+44 20-7946` yields `44`, `20` and `7946`, and `anna@example.com` yields
/// three words. Case is folded (Unicode's full case folding: `ß` becomes `ss`). Accents are removed (U+0300–U+036F
/// after canonical decomposition: `é` becomes `e`, but `ø` has no decomposition and stays). Other combining marks
/// belong to the preceding letter, so that words of Indic scripts stay whole; in this the rules differ from FTS5's
/// `unicode61`.
///
/// A word is found by its beginning, but a phone number by any part of it: for each number in an address, all its
/// endings of at least three digits are stored as words too.
///
/// The words of each recording are stored, so a change of the rules needs a migration that computes them again.
package enum SearchWords {
  /// Bytes of UTF-8. Longer words are cut, in stored text and in queries alike, since databases limit the size of keys.
  static let maximumBytes = 255
  /// The maximum number of words per recording. No ordinary call has as many; words beyond it are not searchable.
  static let maximumCount = 500

  /// The words that a recording is found by, each once, separated by spaces. Words that occur only in the addresses are
  /// separate, since some identities may search but not see addresses.
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
    let addresses = [facts.fromAddress, facts.toAddress].compactMap(\.self)
    return (open, kept(addresses + addresses.flatMap { numbers(of: $0).flatMap(endings) }))
  }

  /// The runs of several words that are digits only, and so may be the groups of one phone number: in the words of
  /// `anna (212) 555-0195` the last three.
  static func numbers(in words: [String]) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for (index, word) in words.enumerated() where word.unicodeScalars.allSatisfy({ digit($0) != nil }) {
      if let last = runs.last, last.upperBound == index {
        runs[runs.count - 1] = last.lowerBound..<(index + 1)
      } else {
        runs.append(index..<(index + 1))
      }
    }
    return runs.filter { $0.count > 1 }
  }

  /// The digits of each phone number in a text: `+1 (212) 555-0195 x12` yields `12125550195` and `12`.
  static func numbers(of text: String) -> [String] {
    text.unicodeScalars.split { digit($0) == nil && !isPunctuation($0) }
      .map { run in run.compactMap(digit).map(String.init).joined() }
      .filter { !$0.isEmpty }
  }

  /// The endings of the last 20 digits of a number, the longest first.
  private static func endings(_ number: String) -> [String] {
    let digits = number.suffix(20)
    return digits.count < 3 ? [] : (3...digits.count).reversed().map { String(digits.suffix($0)) }
  }

  private static func digit(_ scalar: Unicode.Scalar) -> Int? {
    if scalar.isASCII { return ("0"..."9").contains(scalar) ? Int(scalar.value) - 0x30 : nil }
    return scalar.properties.generalCategory == .decimalNumber ? scalar.properties.numericValue.map { Int($0) } : nil
  }

  /// Whether it separates the digits of one phone number.
  private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case " ", "(", ")", "+", "-", ".", "/", "\u{A0}", "\u{202F}", "\u{2010}"..."\u{2015}": true
    default: false
    }
  }

  /// The words of a text, in order.
  package static func words(of text: String) -> [String] {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return asciiWords(of: text) }
    // Lower case keeps some equal letters apart, such as the two forms of small sigma; upper case unifies them.
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

  /// The same for ASCII text, in a tenth of the time.
  private static func asciiWords(of text: String) -> [String] {
    text.utf8.split { byte in
      !((0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte))
    }.map { bytes in
      String(decoding: bytes.prefix(maximumBytes).map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
  }
}
