import Foundation

/// The form of an account's or token's name that decides whether two names look the same: without invisible characters,
/// in lower case, with compatible characters unified and one space between words.
///
/// Letters of different scripts that look alike, such as a Latin and a Cyrillic "a", stay different.
package func nameKey(_ name: String) -> String {
  let visible = String(
    String.UnicodeScalarView(
      name.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint && !isDrawnBlank($0) }))
  return visible.precomposedStringWithCompatibilityMapping.lowercased().precomposedStringWithCompatibilityMapping
    .split(whereSeparator: \.isWhitespace).joined(separator: " ")
}

/// Whether names may not contain a character: it is invisible, or changes how the text around it is shown.
/// Spaces, the two joiners and the variation selectors are allowed, as some scripts and symbols need them.
package func isHidden(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x200C, 0x200D, 0x180B...0x180D, 0x180F, 0xFE00...0xFE0F, 0xE0100...0xE01EF: return false
  default: break
  }
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return true
  default: return scalar.properties.isDefaultIgnorableCodePoint || isDrawnBlank(scalar)
  }
}

/// Whether a character that Unicode counts as visible is drawn as nothing: the empty Braille pattern, the object
/// replacement character, the Khitan filler, the null notehead and the blanks of Egyptian hieroglyphs.
private func isDrawnBlank(_ scalar: Unicode.Scalar) -> Bool {
  [0x2800, 0xFFFC, 0x13441, 0x13442, 0x16FE4, 0x1D159].contains(scalar.value)
}
