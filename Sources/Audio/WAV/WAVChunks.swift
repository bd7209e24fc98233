/// The chunks after the audio of a WAV file.
package enum WAVChunks {
  /// Names by which a chunk without its padding byte is recognized.
  static let common: Set<String> = [
    "data", "fmt ", "fact", "LIST", "bext", "JUNK", "junk", "ds64", "cue ", "smpl", "iXML", "id3 ", "PEAK", "FLLR",
    "PAD ", "_PMX", "axml", "chna", "inst", "plst", "cart",
  ]

  /// How many bytes at the end of the file are neither announced audio nor chunks.
  ///
  /// A second `data` chunk counts as well, because no player plays it.
  ///
  /// - Parameters:
  ///   - end: where the announced audio ends.
  ///   - isEmpty: whether 0 bytes of audio are announced. Chunks that follow then prove that this is meant, even if the
  ///     last one announces more bytes than the file has, or if there are too many to read.
  ///   - read: returns the bytes of a range of the file.
  package static func unexplained<Failure: Error>(
    after end: Int64, fileLength: Int64, isBigEndian: Bool = false, isEmpty: Bool = false,
    reading read: (Range<Int64>) async throws(Failure) -> [UInt8]
  ) async throws(Failure) -> Int64 {
    // An audio length that is odd is followed by a padding byte, if the writer did not leave it out.
    let starts = end % 2 == 0 ? [end] : [end + 1, end]
    var fewest = max(0, fileLength - end)
    // A single byte is padding.
    if fewest == 1 { return 0 }
    for start in starts {
      var position = start
      var count = 0
      while count < WAVHeader.maximumChunks,
        let next = try await chunkEnd(at: position, fileLength, isBigEndian, mayBeCut: isEmpty, read)
      {
        position = next
        count += 1
      }
      if isEmpty, count == WAVHeader.maximumChunks { return 0 }
      fewest = min(fewest, max(0, fileLength - position))
    }
    return fewest
  }

  /// Where the chunk at a position ends with its padding; nil when there is none.
  private static func chunkEnd<Failure: Error>(
    at position: Int64, _ fileLength: Int64, _ isBigEndian: Bool, mayBeCut: Bool,
    _ read: (Range<Int64>) async throws(Failure) -> [UInt8]
  ) async throws(Failure) -> Int64? {
    let left = fileLength - position
    guard left >= 8 else { return nil }
    let head = try await read(position..<(position + 8))
    // An ID3v1 tag: 128 bytes at the end of a file, outside of any chunk.
    if left == 128, head.starts(with: "TAG".utf8) { return fileLength }
    guard head.count == 8, head[0] != 0x20, head.prefix(4).allSatisfy({ (0x20...0x7E).contains($0) }),
      !head.starts(with: "data".utf8)
    else { return nil }
    let size = (isBigEndian ? head[4...] : head[4...].reversed()[...]).reduce(Int64(0)) { $0 << 8 | Int64($1) }
    let end = position + 8 + size
    guard end <= fileLength else {
      return mayBeCut && common.contains(String(decoding: head.prefix(4), as: UTF8.self)) ? fileLength : nil
    }
    return min(fileLength, end + size % 2)
  }
}
