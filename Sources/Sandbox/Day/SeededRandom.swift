import Model

extension SeededRandom {
  /// A number in `0..<1`.
  mutating func fraction() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

  /// A random element; the array must not be empty.
  mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int(truncatingIfNeeded: next() % UInt64(elements.count))]
  }

  /// A seed derived from a name and a base seed.
  static func seed(_ name: String, under seed: UInt64) -> UInt64 {
    StableHash.mix(StableHash.fnv1a(name.utf8, seed: StableHash.mix(seed)))
  }
}
