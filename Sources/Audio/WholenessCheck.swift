package import Model

/// The audio half of the gate: decides whether a file is a whole recording, or says exactly what is wrong with it.
///
/// Pure. What is not known stays nil and is not checked, so the same check serves before the conversion, after it, and
/// later over the archive.
package struct WholenessCheck: Sendable {
  /// The start of the file: all of it, or at least as much as `WAVHeader.read` asks for.
  package var firstBytes: ArraySlice<UInt8>
  /// Bytes in the file.
  package var fileLength: Int64
  /// Bytes that the platform announced, that its answer's framing proves, or that the archive has written down.
  ///
  /// Nil when nothing but the connection's end told where the file ends.
  package var declaredLength: Int64?
  /// Whether these bytes came when the recording was fetched once more, or are in the archive already: what follows the
  /// container's end is then not the accident of one answer.
  package var isSecondFetch: Bool
  /// The platform's figure of the call's length.
  package var platformDuration: Duration?
  /// How much audio came out of the decoder.
  package var decodedDuration: Duration?

  package init(
    firstBytes: ArraySlice<UInt8>, fileLength: Int64, declaredLength: Int64? = nil, isSecondFetch: Bool = false,
    platformDuration: Duration? = nil, decodedDuration: Duration? = nil
  ) {
    self.firstBytes = firstBytes
    self.fileLength = fileLength
    self.declaredLength = declaredLength
    self.isSecondFetch = isSecondFetch
    self.platformDuration = platformDuration
    self.decodedDuration = decodedDuration
  }

  /// A recording that passed.
  package struct Passed: Sendable, Equatable {
    package var header: WAVHeader
    /// From the bytes of audio; the decoder's figure where the header does not tell; nil when neither is known.
    package var duration: Duration?
    package var warnings: [Warning]
  }

  /// What is odd about a recording that is whole all the same.
  package enum Warning: Sendable, Equatable {
    /// It plays longer than the platform says, by this much.
    case longerThanPlatform(Duration)
    /// The header does not say how much audio there is, so only the byte count proves that it is whole.
    case lengthUnknown
    /// So many bytes follow the container's end.
    case containerTooShort(Int64)
    /// The audio does not end where a sample or a block ends.
    case unevenEnd
  }

  /// Runs every check whose facts are known; the first that fails decides.
  ///
  /// The failure is always `notAWholeRecording`.
  package func result() -> Result<Passed, TapedeckError> {
    do throws(TapedeckError) {
      try checkLength()
      let header = try readHeader()
      try checkContainer(header)
      let duration = header.duration(fileLength: fileLength) ?? decodedDuration
      var warnings: [Warning] = []
      if header.dataLength == nil {
        warnings.append(.lengthUnknown)
      } else if !header.endsOnBlock {
        warnings.append(.unevenEnd)
      }
      if let excess = try checkEnd(header) { warnings.append(.containerTooShort(excess)) }
      if let duration, let excess = try checkAgainstPlatform(duration) { warnings.append(.longerThanPlatform(excess)) }
      try checkDecoded(header.duration(fileLength: fileLength))
      return .success(Passed(header: header, duration: duration, warnings: warnings))
    } catch {
      return .failure(error)
    }
  }

  private func checkLength() throws(TapedeckError) {
    if fileLength <= 0 { throw refusal("The platform sent an empty file.") }
    if let declaredLength, declaredLength != fileLength {
      throw refusal("The file has \(fileLength) bytes, but the platform announced \(declaredLength).")
    }
  }

  private func readHeader() throws(TapedeckError) -> WAVHeader {
    switch MediaSignature(firstBytes) {
    case .wave: break
    case .html: throw refusal("The platform sent a web page instead of audio.")
    case .json: throw refusal("The platform sent JSON instead of audio.")
    case .playlist: throw refusal("The platform sent a playlist instead of audio.")
    case .mp4: throw refusal("The platform sent an MP4 file, which this source should not.")
    case .empty: throw refusal("The platform sent an empty file.")
    case .unknown: throw refusal("The platform sent \(fileLength) bytes that are not a WAV file.")
    }
    switch WAVHeader.read(firstBytes) {
    case .header(let header): return header
    case .needsMore: throw refusal("The file has \(fileLength) bytes and ends inside its WAV header.")
    case .malformed(let reason): throw refusal("The WAV file cannot be used: \(reason).")
    }
  }

  private func checkContainer(_ header: WAVHeader) throws(TapedeckError) {
    let present = max(0, fileLength - header.dataOffset)
    if present == 0 { throw refusal("The file is a WAV header of \(header.dataOffset) bytes without any audio.") }
    if let announced = header.dataLength, announced > present {
      throw refusal(
        "The WAV header announces \(announced) bytes of audio, but only \(present) are there: the file was cut short.")
    }
  }

  /// How many bytes follow the container's end, where that is worth a remark.
  private func checkEnd(_ header: WAVHeader) throws(TapedeckError) -> Int64? {
    guard let container = header.containerLength else {
      if header.dataLength == nil, declaredLength == nil {
        throw refusal(
          "Neither the WAV header nor the platform says how long the file is, so it may have been cut short.")
      }
      return nil
    }
    if fits(container, header) { return nil }
    if container > fileLength {
      throw refusal(
        "The WAV container announces \(container) bytes, but only \(fileLength) are there: the end is missing.")
    }
    guard isSecondFetch else {
      throw refusal("The WAV container ends after \(container) bytes, but \(fileLength) came.")
    }
    return fileLength - container
  }

  /// Whether the container ends where the file does, with two errors that many writers make and that hide no cut: its
  /// own eight bytes are counted twice, or the padding byte of an odd length of audio is written or counted, not both.
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

  /// By how much the recording is longer than the platform says, where that is worth a remark.
  private func checkAgainstPlatform(_ duration: Duration) throws(TapedeckError) -> Duration? {
    guard let platformDuration else { return nil }
    let tolerance = max(Duration.seconds(2), platformDuration * 0.02)
    if duration + tolerance < platformDuration {
      throw refusal(
        "The audio lasts \(seconds(duration)), but the platform says \(seconds(platformDuration)): it was cut short.")
    }
    return duration > platformDuration + tolerance ? duration - platformDuration : nil
  }

  private func checkDecoded(_ expected: Duration?) throws(TapedeckError) {
    guard let decodedDuration, let expected else { return }
    let tolerance = max(Duration.milliseconds(500), expected * 0.01)
    let difference = decodedDuration < expected ? expected - decodedDuration : decodedDuration - expected
    guard difference > tolerance else { return }
    throw refusal(
      "Decoding gave \(seconds(decodedDuration)) of audio, but the file holds \(seconds(expected)): part of it is damaged."
    )
  }

  private func refusal(_ sentence: String) -> TapedeckError { TapedeckError(.notAWholeRecording, sentence) }

  private func seconds(_ duration: Duration) -> String {
    let tenths = (duration.inSeconds * 10).rounded()
    return "\(tenths / 10) s"
  }
}
