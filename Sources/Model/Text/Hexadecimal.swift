/// Bytes as lower-case hexadecimal digits.
package func hex(_ bytes: some Sequence<UInt8>) -> String {
  var text: [UInt8] = []
  text.reserveCapacity(bytes.underestimatedCount * 2)
  for byte in bytes {
    text.append(digit(byte >> 4))
    text.append(digit(byte & 15))
  }
  return String(decoding: text, as: UTF8.self)
}

private func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }

/// The bytes that hexadecimal digits stand for; nil for an odd number of digits and any other character.
package func bytes(hexadecimal text: String) -> [UInt8]? {
  let digits = text.utf8.compactMap(hexDigit)
  guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The value of a hexadecimal digit in ASCII, of either case.
func hexDigit(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x41...0x46: byte - 0x41 + 10
  case 0x61...0x66: byte - 0x61 + 10
  default: nil
  }
}

/// Cryptographically random bytes from the system's generator, which is `getrandom(2)` on Linux.
package func randomBytes(_ count: Int) -> [UInt8] {
  var generator = SystemRandomNumberGenerator()
  var bytes: [UInt8] = []
  bytes.reserveCapacity(count + 7)
  // One system call for eight bytes.
  while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes += $0 } }
  bytes.removeLast(bytes.count - count)
  return bytes
}

/// A random ID of 96 bits in hexadecimal after a prefix that names its kind, such as `acc_3f…`.
package func makeOpaqueID(_ prefix: String) -> String { prefix + "_" + hex(randomBytes(12)) }
