/// Cryptographically random bytes: the system's generator, which on Linux is `getrandom(2)`.
package func randomBytes(_ count: Int) -> [UInt8] {
  var generator = SystemRandomNumberGenerator()
  return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
}

/// A random id of 96 bits in hexadecimal behind a prefix that says what it names, such as `acc_3f…`.
package func makeOpaqueID(_ prefix: String) -> String { prefix + "_" + hex(randomBytes(12)) }

/// Bytes in lower-case hexadecimal.
package func hex(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var out: [UInt8] = []
  for byte in bytes { out += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
  return String(decoding: out, as: UTF8.self)
}
