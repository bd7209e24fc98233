package import Model

/// The files of the whole audio of a recording with several parts. They are made of the files of its parts, so that
/// playing them is like playing a recording with one part.
package struct JoinedMedia: Sendable, Equatable {
  /// A Xing frame, then the frames of all parts.
  package var mp3: MediaPart.File
  /// The peaks of all parts as one waveform.
  package var peaks: MediaPart.File

  package init(mp3: MediaPart.File, peaks: MediaPart.File) {
    self.mp3 = mp3
    self.peaks = peaks
  }

  init(_ row: Row) throws(TapedeckError) {
    mp3 = try MediaPart.File(row, "mp3")
    peaks = try MediaPart.File(row, "peaks")
  }

  package var objects: [ObjectName] { [mp3.name, peaks.name] }
}

extension Connection {
  /// The files of the whole audio of a recording; nil unless it has several parts.
  func joinedMedia(of recordingID: Int64) throws(TapedeckError) -> JoinedMedia? {
    guard let row = try row("SELECT * FROM joined_media WHERE recording_id = \(recordingID)") else { return nil }
    return try JoinedMedia(row)
  }

  /// Replaces the files of a recording.
  func store(_ parts: [MediaPart], _ joined: JoinedMedia?, of recordingID: Int64) throws(TapedeckError) {
    try execute("DELETE FROM media_part WHERE recording_id = \(recordingID)")
    for part in parts { try insert(part, of: recordingID) }
    try execute("DELETE FROM joined_media WHERE recording_id = \(recordingID)")
    guard let joined else { return }
    try execute(
      """
      INSERT INTO joined_media (recording_id, mp3_object, mp3_sha256, mp3_bytes, peaks_object, peaks_sha256, peaks_bytes)
      VALUES (\(recordingID), \(joined.mp3.name), \(joined.mp3.hash), \(joined.mp3.bytes), \(joined.peaks.name),
        \(joined.peaks.hash), \(joined.peaks.bytes))
      """)
  }

  private func insert(_ part: MediaPart, of recordingID: Int64) throws(TapedeckError) {
    try execute(
      """
      INSERT INTO media_part (recording_id, part, offset_ms, facts, source_sha256, source_bytes, original_object, codec,
        channels, sample_rate, audio_ms, mp3_object, mp3_sha256, mp3_bytes, peaks_object, peaks_sha256, peaks_bytes)
      VALUES (\(recordingID), \(part.part), \(part.offset.milliseconds), \(try part.storedFacts()), \(part.sourceHash),
        \(part.sourceBytes), \(part.original), \(part.codec), \(part.channels), \(part.sampleRate),
        \(part.duration.milliseconds), \(part.mp3.name), \(part.mp3.hash), \(part.mp3.bytes), \(part.peaks.name),
        \(part.peaks.hash), \(part.peaks.bytes))
      """)
  }
}
