/// The companding laws of ITU-T G.711.
enum G711 {
  static func muLaw(_ sample: Int16) -> UInt8 {
    let magnitude = min(abs(Int(sample)), 32_635) + 132
    let exponent = max(0, Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7)
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~UInt8(truncatingIfNeeded: (sample < 0 ? 0x80 : 0) | exponent << 4 | mantissa)
  }

  static func aLaw(_ sample: Int16) -> UInt8 {
    let magnitude = sample < 0 ? -(Int(sample) + 1) : Int(sample)
    let exponent = max(0, Int.bitWidth - 1 - magnitude.leadingZeroBitCount - 7)
    let mantissa = (magnitude >> (exponent == 0 ? 4 : exponent + 3)) & 0x0F
    return UInt8(truncatingIfNeeded: (sample < 0 ? 0 : 0x80) | exponent << 4 | mantissa) ^ 0x55
  }
}
