import Foundation

/// The base64 form of bytes given as hexadecimal digits, as HTTP digest headers need it; nil for malformed digits.
package func base64(hexadecimal text: String) -> String? {
  bytes(hexadecimal: text).map { Data($0).base64EncodedString() }
}

/// Bytes in the URL-safe base64 alphabet without padding (RFC 4648 §5).
package func base64URL(_ bytes: some Sequence<UInt8>) -> String {
  Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// Decodes URL-safe base64 without padding; nil for malformed text.
package func bytes(base64URL text: String) -> [UInt8]? {
  let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
  return Data(base64Encoded: text.replacing("-", with: "+").replacing("_", with: "/") + padding).map(Array.init)
}
