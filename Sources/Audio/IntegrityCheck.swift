package import Model

/// The audio checks of the integrity check: decides whether a file is a complete recording, or says what is wrong with
/// it.
///
/// Pure. Unknown facts are nil and not checked, so the same check serves before and after the conversion and later for
/// the archive.
package struct IntegrityCheck: Sendable {
  /// The start of the file: all of it, or at least as much as `WAVHeader.read` requests.
  package var firstBytes: ArraySlice<UInt8>
  /// Size of the file in bytes.
  package var fileLength: Int64
  /// The size announced by the platform, proved by the framing of its response, or recorded in the archive.
  ///
  /// Nil when only the end of the connection marked the end of the file.
  package var declaredLength: Int64?
  /// Whether the recording was downloaded a second time or is already in the archive: surplus bytes after the
  /// container's end are then not an accident of one response.
  package var isSecondFetch: Bool
  /// The platform's duration of the call.
  package var platformDuration: Duration?
  /// The length of the decoded audio.
  package var decodedDuration: Duration?
  /// The length that the container announces, as the decoder reads it.
  package var announcedDuration: Duration?
  /// How many bytes after the announced audio belong to no chunk; see `WAVChunks.unexplained`.
  package var unexplainedBytes: Int64?
  /// The structure of a file that is not WAV.
  package var structure: ContainerStructure?

  package init(
    firstBytes: ArraySlice<UInt8>, fileLength: Int64, declaredLength: Int64? = nil, isSecondFetch: Bool = false,
    platformDuration: Duration? = nil, decodedDuration: Duration? = nil, announcedDuration: Duration? = nil,
    unexplainedBytes: Int64? = nil,
    structure: ContainerStructure? = nil
  ) {
    self.firstBytes = firstBytes
    self.fileLength = fileLength
    self.declaredLength = declaredLength
    self.isSecondFetch = isSecondFetch
    self.platformDuration = platformDuration
    self.decodedDuration = decodedDuration
    self.announcedDuration = announcedDuration
    self.unexplainedBytes = unexplainedBytes
    self.structure = structure
  }

  /// A recording that passed.
  package struct Passed: Sendable, Equatable {
    /// Nil for other containers than WAV.
    package var header: WAVHeader?
    /// Computed from the audio bytes, or the decoder's value where the header does not tell; nil when neither is known.
    package var duration: Duration?
    package var warnings: [Warning]

    package init(header: WAVHeader?, duration: Duration?, warnings: [Warning]) {
      self.header = header
      self.duration = duration
      self.warnings = warnings
    }
  }

  /// A peculiarity of a recording that is complete nevertheless.
  package enum Warning: Sendable, Equatable {
    /// It is longer than the platform's duration by this much.
    case longerThanPlatform(Duration)
    /// The header does not give the amount of audio, so only the number of bytes proves completeness.
    case lengthUnknown
    /// This many bytes follow the container's end.
    case containerTooShort(Int64)
    /// This many bytes inside of the container follow the announced audio and belong to no chunk.
    case unexplainedBytes(Int64)
    /// The audio does not end at the end of a sample or block.
    case unevenEnd
  }

  /// Runs every check whose facts are known; returns the first failure.
  ///
  /// Every failure is `incompleteRecording`.
  package func result() -> Result<Passed, TapedeckError> {
    do throws(TapedeckError) {
      try checkLength()
      if let structure { return .success(try checkStructure(structure)) }
      var header = try readHeader()
      if declaredLength == fileLength { header = header.withoutPlaceholders(provenLength: fileLength) }
      try checkContainer(header)
      let duration = header.duration(fileLength: fileLength) ?? decodedDuration
      var warnings: [Warning] = []
      if header.dataLength == nil {
        warnings.append(.lengthUnknown)
      } else if !header.endsOnBlock {
        warnings.append(.unevenEnd)
      }
      if let excess = try checkEnd(header) {
        warnings.append(.containerTooShort(excess))
      } else if let unexplainedBytes, unexplainedBytes > 0, header.dataLength != nil {
        warnings.append(.unexplainedBytes(unexplainedBytes))
      }
      try checkUnexplained(header)
      if let duration, let excess = try checkAgainstPlatform(duration) { warnings.append(.longerThanPlatform(excess)) }
      // A duration of the platform is better evidence than the count of frames in the header.
      let announced = platformDuration == nil ? header.announcedDuration : nil
      try checkDecoded(header.duration(fileLength: fileLength) ?? announced)
      return .success(Passed(header: header, duration: duration, warnings: warnings))
    } catch {
      return .failure(error)
    }
  }

  private func checkLength() throws(TapedeckError) {
    if fileLength <= 0 { throw failure("The platform sent an empty file.") }
    if let declaredLength, declaredLength != fileLength {
      throw failure("The file has \(grouped(fileLength)) bytes, but the platform announced \(grouped(declaredLength)).")
    }
  }

  private func checkStructure(_ structure: ContainerStructure) throws(TapedeckError) -> Passed {
    if let problem = structure.problem {
      throw failure("The \(structure.container.name) file cannot be used: \(problem).")
    }
    guard structure.showsEnd || declaredLength != nil else {
      throw failure("Neither the file nor the platform gives its length, so it may have been cut short.")
    }
    var warnings: [Warning] = structure.showsEnd ? [] : [.lengthUnknown]
    let duration = structure.duration ?? decodedDuration
    if let duration, let excess = try checkAgainstPlatform(duration) { warnings.append(.longerThanPlatform(excess)) }
    // The index of an MP4 file gives the length of its audio, and only the decoder reads it. Fragments are not in it.
    let announced = structure.container == .mp4 && structure.showsEnd ? announcedDuration : nil
    try checkDecoded(structure.duration ?? announced)
    return Passed(header: nil, duration: duration, warnings: warnings)
  }

  private func readHeader() throws(TapedeckError) -> WAVHeader {
    switch MediaSignature(firstBytes) {
    case .wave: break
    case .html: throw failure("The platform sent a web page instead of audio.")
    case .json: throw failure("The platform sent JSON instead of audio.")
    case .playlist: throw failure("The platform sent a playlist instead of audio.")
    // Only without their structure, which the caller reads.
    case .wave64, .mp4, .mp3, .ogg, .flac, .amr: throw failure("The platform sent another file than WAV.")
    case .empty: throw failure("The platform sent an empty file.")
    case .unknown: throw failure("The platform sent \(grouped(fileLength)) bytes that are not a recording.")
    }
    switch WAVHeader.read(firstBytes) {
    case .header(let header): return header
    case .needsMore: throw failure("The file has \(grouped(fileLength)) bytes and ends inside its WAV header.")
    case .malformed(let reason): throw failure("The WAV file cannot be used: \(reason).")
    }
  }

  private func checkContainer(_ header: WAVHeader) throws(TapedeckError) {
    let present = max(0, fileLength - header.dataOffset)
    if present == 0 {
      throw failure("The file is a WAV header of \(grouped(header.dataOffset)) bytes without any audio.")
    }
    // A length of 0 is correct when chunks follow, or when the container ends before any audio.
    if header.hasDataLengthZero, header.dataLength == nil,
      isExplained(present) || header.containerLength.map({ $0 <= header.dataOffset + 1 }) == true
    {
      throw failure("The WAV header says that there is no audio, and the rest of the file contains none.")
    }
    if let announced = header.dataLength, announced > present {
      throw failure(
        "The WAV header announces \(grouped(announced)) bytes of audio, but only \(grouped(present)) arrived: the file was cut short."
      )
    }
  }

  /// Whether chunks follow a header that says that there is no audio. Writers leave some stray bytes after them; if
  /// most of the file belongs to no chunk, it is the audio, and its beginning only looks like a chunk.
  private func isExplained(_ present: Int64) -> Bool {
    guard let unexplainedBytes else { return false }
    return unexplainedBytes == 0 || (present - unexplainedBytes) > unexplainedBytes / 10
  }

  /// The number of surplus bytes after the container's end; nil when there is nothing to report.
  private func checkEnd(_ header: WAVHeader) throws(TapedeckError) -> Int64? {
    guard let container = header.containerLength else {
      if header.dataLength == nil, declaredLength == nil {
        throw failure(
          "Neither the WAV header nor the platform gives the length of the file, so it may have been cut short.")
      }
      return nil
    }
    if fits(container, header) { return nil }
    if container > fileLength {
      throw failure(
        "The WAV container announces \(grouped(container)) bytes, but only \(grouped(fileLength)) arrived: the end is missing."
      )
    }
    guard isSecondFetch else {
      throw failure(
        "The WAV container ends after \(grouped(container)) bytes, but \(grouped(fileLength)) bytes arrived.")
    }
    return fileLength - container
  }

  /// Few bytes beyond the announced audio are a fault of the writer; many of them may be audio that nothing plays.
  private func checkUnexplained(_ header: WAVHeader) throws(TapedeckError) {
    guard let unexplainedBytes, let audio = header.dataLength, unexplainedBytes > max(1024, audio / 10) else { return }
    throw failure(
      "The WAV header announces \(grouped(audio)) bytes of audio, but \(grouped(unexplainedBytes)) more bytes follow that belong to no chunk."
    )
  }

  /// Whether the container ends where the file does. Accepts two common errors of writers that hide no truncation: the
  /// container's own eight bytes are counted twice, or the padding byte of an odd audio length is either written or
  /// counted, but not both.
  private func fits(_ container: Int64, _ header: WAVHeader) -> Bool {
    guard container != fileLength else { return true }
    guard let audio = header.dataLength else { return false }
    let audioEnd = header.dataOffset + audio
    switch container - fileLength {
    case 8: return fileLength == audioEnd || fileLength == audioEnd + audio % 2
    case 1: return audio % 2 == 1 && fileLength == audioEnd
    case -1: return audio % 2 == 1 && fileLength == audioEnd + 1
    default: return false
    }
  }

  /// By how much the recording exceeds the platform's duration; nil within the tolerance.
  private func checkAgainstPlatform(_ duration: Duration) throws(TapedeckError) -> Duration? {
    guard let platformDuration else { return nil }
    let tolerance = max(Duration.seconds(2), platformDuration * 0.02)
    // Never the whole call.
    if duration + min(tolerance, platformDuration / 2) < platformDuration {
      throw failure(
        "The audio lasts \(seconds(duration)), but the platform says \(seconds(platformDuration)): it was cut short.")
    }
    return duration > platformDuration + tolerance ? duration - platformDuration : nil
  }

  private func checkDecoded(_ expected: Duration?) throws(TapedeckError) {
    guard let decodedDuration, let expected else { return }
    let tolerance = max(Duration.milliseconds(500), expected * 0.01)
    let (missing, surplus) = (expected - decodedDuration, decodedDuration - expected)
    guard missing > min(tolerance, expected / 2) || surplus > tolerance else { return }
    throw failure(
      "Decoding gave \(seconds(decodedDuration)) of audio, but the file has \(seconds(expected)): it is damaged."
    )
  }

  private func failure(_ message: String) -> TapedeckError { TapedeckError(.incompleteRecording, message) }

  private func seconds(_ duration: Duration) -> String {
    let tenths = (duration.inSeconds * 10).rounded()
    return "\(tenths / 10) s"
  }
}
