/// Hash functions whose results never change. Not for security: different texts with
/// the same hash are easy to construct.
package enum StableHash {
  /// The 64-bit FNV-1a hash of some bytes.
  ///
  /// - Parameter seed: gives other hashes of the same bytes; 0 for those of the standard function.
  package static func fnv1a(_ bytes: some Sequence<UInt8>, seed: UInt64 = 0) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325 ^ seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// The output function of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators"):
  /// similar numbers give unrelated ones.
  package static func mix(_ number: UInt64) -> UInt64 {
    var mixed = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Reproducible pseudorandom numbers (SplitMix64). Not for secrets.
package struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return StableHash.mix(state)
  }
}
