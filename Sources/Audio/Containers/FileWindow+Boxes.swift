import Model

/// Containers that consist of large parts with announced sizes.
extension FileWindow {
  /// ISO 14496-12: boxes with a size and a type, one after the other.
  mutating func mp4() async throws -> ContainerStructure {
    var position: Int64 = 0
    var types: Set<String> = []
    var showsEnd = true
    while position < length {
      try beginPart()
      guard let head = try await bytes(at: position, 8) else {
        throw StructureProblem.cut("its last part", endsAt: position + 8, length: length)
      }
      let type = String(decoding: head[4...], as: UTF8.self)
      var (size, headLength) = (head[..<4].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }, UInt64(8))
      if size == 1 {
        guard let large = try await number(at: position + 8, 8) else {
          throw StructureProblem.cut("its last part", endsAt: position + 16, length: length)
        }
        (size, headLength) = (large, 16)
      } else if size == 0 {
        // Up to the end of the file, wherever that is.
        size = UInt64(length - position)
        showsEnd = false
      }
      guard size >= headLength, size < 1 << 62 else {
        throw StructureProblem("one of its parts has an impossible size")
      }
      guard position + Int64(size) <= length else {
        throw StructureProblem.cut("its part '\(type)'", endsAt: position + Int64(size), length: length)
      }
      if ["moov", "mdat", "moof"].contains(type) { types.insert(type) }
      position += Int64(size)
    }
    guard types.contains("moov") else { throw StructureProblem("it has no index ('moov'): it was cut short") }
    guard types.contains("mdat") else { throw StructureProblem("it has no audio ('mdat'): it was cut short") }
    // A fragmented file can be cut off between two fragments.
    return ContainerStructure(container: .mp4, showsEnd: showsEnd && !types.contains("moof"))
  }

  /// Sony Wave64: like WAV with chunk IDs of 16 bytes, and sizes of 8 bytes that include ID and size.
  mutating func wave64() async throws -> ContainerStructure {
    guard let announced = try await number(at: 16, 8, isBigEndian: false), announced < 1 << 62 else {
      throw StructureProblem("its header is incomplete")
    }
    guard Int64(announced) <= length else {
      throw StructureProblem.cut("it", endsAt: Int64(announced), length: length)
    }
    var position: Int64 = 40
    var bytesPerSecond: UInt64?
    while let head = try await bytes(at: position, 24) {
      try beginPart()
      let size = head[16...].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard size >= 24, size < 1 << 62 else { throw StructureProblem("one of its parts has an impossible size") }
      let type = String(decoding: head[..<4], as: UTF8.self)
      guard position + Int64(size) <= length else {
        throw StructureProblem.cut("its part '\(type)'", endsAt: position + Int64(size), length: length)
      }
      // Exact for uncompressed audio only (integers, floating point, A-law and µ-law).
      if type == "fmt ", [1, 3, 6, 7].contains(try await number(at: position + 24, 2, isBigEndian: false)) {
        bytesPerSecond = try await number(at: position + 32, 4, isBigEndian: false)
      }
      if type == "data" {
        guard size > 24 else { throw StructureProblem("it contains no audio") }
        let duration = bytesPerSecond.flatMap { $0 > 0 ? Duration.seconds(Double(size - 24) / Double($0)) : nil }
        return ContainerStructure(container: .w64, duration: duration, showsEnd: true)
      }
      position += (Int64(size) + 7) / 8 * 8
    }
    throw StructureProblem("it contains no audio")
  }

  /// RFC 9639: the first block says how many samples follow; the decoder checks each frame.
  mutating func flac() async throws -> ContainerStructure {
    // Ten bytes of sizes; then rate (20 bits), channels (3), bits (5) and samples (36).
    guard let format = try await number(at: try await id3Length() + 18, 8), format >> 44 > 0 else {
      throw StructureProblem("its header is incomplete")
    }
    let samples = format & ((1 << 36) - 1)
    let duration = samples > 0 ? Duration.seconds(Double(samples) / Double(format >> 44)) : nil
    return ContainerStructure(container: .flac, duration: duration, showsEnd: samples > 0)
  }
}
