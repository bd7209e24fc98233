/// Percent-encodes every byte of a text (RFC 3986 §2.1) except ASCII letters, digits and the characters in `kept`.
///
/// - Parameter kept: ASCII characters; by default the remaining unreserved ones. Foundation's sets keep more than that.
package func percentEncoded(_ text: String, keeping kept: String = "-._~") -> String {
  var encoded: [UInt8] = []
  encoded.reserveCapacity(text.utf8.count)
  for byte in text.utf8 {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: encoded.append(byte)
    case _ where kept.utf8.contains(byte): encoded.append(byte)
    default: encoded += [0x25] + hex(CollectionOfOne(byte)).uppercased().utf8
    }
  }
  return String(decoding: encoded, as: UTF8.self)
}

/// Decodes percent-encoding once; nil for an incomplete or malformed escape, and when the result is not UTF-8.
///
/// `+` is not decoded: it means a space only in forms and queries.
package func percentDecoded(_ text: some StringProtocol) -> String? {
  guard text.utf8.contains(0x25) else { return String(text) }
  var decoded: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    guard byte == 0x25 else {
      decoded.append(byte)
      continue
    }
    guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else { return nil }
    decoded.append(high << 4 | low)
  }
  return String(validating: decoded, as: UTF8.self)
}

/// Decodes percent-encoding as often as it was applied, to find what it hides. Malformed escapes stay, and what is not
/// UTF-8 becomes U+FFFD.
package func percentDecodedCompletely(_ text: String) -> String {
  guard text.utf8.contains(0x25) else { return text }
  var decoded: [UInt8] = []
  for byte in text.utf8 {
    decoded.append(byte)
    // A decoded byte can complete another escape.
    while decoded.count >= 3, decoded[decoded.count - 3] == 0x25, let high = hexDigit(decoded[decoded.count - 2]),
      let low = hexDigit(decoded[decoded.count - 1])
    {
      decoded.replaceSubrange((decoded.count - 3)..., with: CollectionOfOne(high << 4 | low))
    }
  }
  return String(decoding: decoded, as: UTF8.self)
}
