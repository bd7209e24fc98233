import AsyncHTTPClient
import HTTPTransport
import Metrics
import Model
import NIOCore

extension MediaPlaybackSource {
  /// The name of the recording among the files of a contact: `GET …/contacts/{contactId}/files`. Nil when there is
  /// none, it is still pending, or the call is not permitted.
  func legacyFileName(of id: RecordingID) async throws(TapedeckError) -> String? {
    // The platform's contact IDs are numbers.
    guard id.rawValue.isASCIIDigits else { return nil }
    let answer = try await client.get(.files, url: try await filesAddress(id), accepting: [403, 404])
    guard answer.status == 200 else { return nil }
    let body = PlatformJSON.value(PlatformJSON.utf8(answer.body))
    let files = LenientObject(body)?.objects("files", "file") ?? LenientObject.list(body)
    return files?.first { $0.text("purposeName")?.lowercased() == "calllog" }?.text("fileName", "name")
  }

  /// Downloads a file of the ACD: JSON with the whole file as base64, which is decoded while it arrives. It cannot be
  /// resumed, so it begins at byte 0.
  func downloadLegacyFile(
    _ name: String, of part: PartLocator, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    let client = client
    var state = DownloadState(isResumable: false)
    try await sink.cut(to: 0)
    try await onState(state)
    let url = try await filesAddress(part.recording) + "?fileName=\(percentEncoded(name))"
    let watch = StallWatch(limit: client.settings.stallTimeout, system: client.system)
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        try await Self.receiveFile(from: url, client, watch, into: sink)
      })
    } by: {
      try await watch.untilStalled()
    }
    switch result {
    case .success(let bytes): state.totalBytes = bytes
    case .failure(let error) where wasLimited && error.code == .interrupted:
      throw TapedeckError(
        .downloadInterrupted, detail: "no data for \(client.settings.stallTimeout)", cause: error)
    case .failure(let error): throw error
    }
    try await onState(state)
    addresses.drop(part)
    return state
  }

  /// - Returns: the number of bytes of the file.
  private static func receiveFile(
    from url: String, _ client: MediaPlaybackClient, _ watch: StallWatch, into sink: some DownloadSink
  ) async throws(TapedeckError) -> Int64 {
    let response = try await watch.expecting { () async throws(TapedeckError) in
      try await client.open(.files, url: url)
    }
    var field = Base64Field("file")
    var buffer = WriteBuffer(now: client.system.now)
    var received: Int64 = 0
    var chunks = response.body.makeAsyncIterator()
    while true {
      let arrived: ByteBuffer?
      do {
        watch.startWaiting()
        defer { watch.stopWaiting() }
        arrived = try await chunks.next()
      } catch {
        throw TransportFailures.cancellation(error)
          ?? TapedeckError(.downloadInterrupted, detail: ConnectionProblem.detail(error), cause: error)
      }
      guard let chunk = arrived else { break }
      let decoded = try bytes(of: chunk, in: &field)
      received += Int64(decoded.count)
      guard received <= client.settings.maxRecordingBytes else {
        throw TapedeckError(
          .incompleteRecording, "The platform sends more data for this recording than the maximum size allows.")
      }
      if !decoded.isEmpty, buffer.add(ByteBuffer(bytes: decoded)) { try await write(buffer.take(), client, sink) }
    }
    try await write(buffer.take(), client, sink)
    do throws(Base64Field.Problem) { try field.finish() } catch {
      throw TapedeckError(
        .downloadInterrupted, "The platform's answer ended before the end of the recording.",
        detail: "files: no complete field 'file'")
    }
    return received
  }

  private static func bytes(of chunk: ByteBuffer, in field: inout Base64Field) throws(TapedeckError) -> [UInt8] {
    do throws(Base64Field.Problem) { return try field.read(chunk.readableBytesView) } catch {
      throw TapedeckError(
        .incompleteRecording, "The platform's answer has a recording that is not valid base64.",
        detail: "files: not base64")
    }
  }

  private static func write(
    _ bytes: ByteBuffer, _ client: MediaPlaybackClient, _ sink: some DownloadSink
  ) async throws(TapedeckError) {
    guard bytes.readableBytes > 0 else { return }
    Counter(label: "tapedeck_download_bytes_total", dimensions: [("source", client.settings.id.rawValue)])
      .increment(by: bytes.readableBytes)
    try await sink.append(bytes)
  }

  private func filesAddress(_ id: RecordingID) async throws(TapedeckError) -> String {
    let host = try await client.hosts().acd
    return "\(host)/incontactapi/services/\(Self.version)/contacts/\(id.pathSegment)/files"
  }
}
