import Foundation

/// The form of an account's or token's name that decides whether two names look the same: without invisible characters,
/// in lower case, with compatible characters unified and one space between words.
///
/// Letters of different scripts that look alike, such as a Latin and a Cyrillic "a", stay different.
package func nameKey(_ name: String) -> String {
  let visible = String(
    String.UnicodeScalarView(name.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint }))
  return visible.precomposedStringWithCompatibilityMapping.lowercased().precomposedStringWithCompatibilityMapping
    .split(whereSeparator: \.isWhitespace).joined(separator: " ")
}
