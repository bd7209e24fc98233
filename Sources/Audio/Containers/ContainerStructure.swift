package import Model

/// What the structure of a file other than WAV says about it, without decoding.
package struct ContainerStructure: Sendable, Equatable {
  package var container: MediaContainer
  /// Why the file cannot be complete, as the end of a sentence; nil when nothing contradicts it.
  package var problem: String?
  /// The length of the audio; nil where only decoding tells.
  package var duration: Duration?
  /// Whether the structure shows where the file ends. If not, a file that was cut between two parts looks complete.
  package var showsEnd = false

  /// Reads the structure of a file from start to end.
  ///
  /// - Parameters:
  ///   - maximumParts: how many frames, pages or boxes a file may have; a large file of empty ones would take many
  ///     minutes. 48 hours, which no conversion exceeds, have 8,640,000 frames of 20 ms.
  ///   - read: returns the bytes of a range of the file.
  package static func read(
    _ container: MediaContainer, fileLength: Int64, maximumParts: Int = 10_000_000,
    reading read: @escaping (Range<Int64>) async throws(TapedeckError) -> [UInt8]
  ) async throws(TapedeckError) -> ContainerStructure {
    var window = FileWindow(length: fileLength, partsLeft: maximumParts, read: read)
    do {
      switch container {
      case .wav: return ContainerStructure(container: .wav)
      case .w64: return try await window.wave64()
      case .mp4: return try await window.mp4()
      case .mp3: return try await window.mp3()
      case .ogg: return try await window.ogg()
      case .flac: return try await window.flac()
      case .amr: return try await window.amr()
      }
    } catch let problem as StructureProblem {
      return ContainerStructure(container: container, problem: problem.text)
    } catch {
      throw error as? TapedeckError ?? TapedeckError(.storageFailed, cause: error)
    }
  }
}

/// Why a file cannot be complete, as the end of a sentence.
struct StructureProblem: Error {
  var text: String

  init(_ text: String) { self.text = text }

  static func cut(_ part: String, endsAt end: Int64, length: Int64) -> StructureProblem {
    StructureProblem("\(part) ends after \(grouped(end)) bytes, but only \(grouped(length)) arrived: it was cut short")
  }
}

/// The bytes of a file, read in large pieces.
struct FileWindow {
  let length: Int64
  private let read: (Range<Int64>) async throws(TapedeckError) -> [UInt8]
  private var start: Int64 = 0
  private var bytes: [UInt8] = []
  private var partsLeft: Int

  init(length: Int64, partsLeft: Int, read: @escaping (Range<Int64>) async throws(TapedeckError) -> [UInt8]) {
    self.length = length
    self.partsLeft = partsLeft
    self.read = read
  }

  /// Bytes at a position; nil when the file ends before the last of them.
  mutating func bytes(at position: Int64, _ count: Int) async throws(TapedeckError) -> [UInt8]? {
    guard position >= 0, position <= length - Int64(count) else { return nil }
    if position < start || position + Int64(count) > start + Int64(bytes.count) {
      start = position
      bytes = try await read(position..<min(length, position + max(Int64(count), 256 << 10)))
    }
    let first = Int(position - start)
    guard first + count <= bytes.count else { return nil }
    return Array(bytes[first..<(first + count)])
  }

  /// Counts a frame, page or box.
  mutating func beginPart() throws(StructureProblem) {
    partsLeft -= 1
    if partsLeft < 0 { throw StructureProblem("it has too many parts") }
  }

  /// The number in bytes at a position; nil when the file ends before.
  mutating func number(at position: Int64, _ count: Int, isBigEndian: Bool = true) async throws -> UInt64? {
    guard let bytes = try await bytes(at: position, count) else { return nil }
    return (isBigEndian ? bytes : bytes.reversed()).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The length of the ID3v2 tag at the start.
  mutating func id3Length() async throws -> Int64 {
    try await bytes(at: 0, 10).map { Int64(MediaSignature.id3Length($0)) } ?? 0
  }
}
