import CXone
import Foundation
import Model
import TestKit
import Testing

/// Calls without media, of which the ACD has a file.
@Suite(.timeLimit(.minutes(1))) struct LegacyFileTests {
  private static let sound = file(50_000)
  private static let base64 = Data(sound).base64EncodedString()
  private static let list =
    #"{"files":[{"fileName":"a.txt","purposeName":"Chat"},{"fileName":"call 1.wav","purposeName":"CallLog"}]}"#

  private func run<Output: Sendable>(
    list: ScriptedServer.Reply = .json(LegacyFileTests.list), file: @escaping @Sendable () -> ScriptedServer.Reply,
    _ body: (MediaTenant) async throws -> Output
  ) async throws -> Output {
    try await MediaTenant.run { request, _, _ in
      if request.target.hasPrefix("/media-playback/") { return .response(404) }
      return request.target.contains("?fileName=") ? file() : list
    } _: { tenant in
      try await body(tenant)
    }
  }

  /// A reply in chunks of a few bytes, which cut names, escapes and groups of base64 in two.
  private static func inPieces(_ text: String, of length: Int, isComplete: Bool = true) -> ScriptedServer.Reply {
    let bytes = Array(text.utf8)
    let pieces = stride(from: 0, to: bytes.count, by: length).map { Array(bytes[$0..<min($0 + length, bytes.count)]) }
    return .chunked(200, ["Content-Type": "application/json"], pieces: pieces, isComplete: isComplete)
  }

  @Test func `a call without media is available when the ACD has its file`() async throws {
    try await run {
      .json(#"{"files":{"file":"\#(Self.base64)","fileName":"call 1.wav"}}"#)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .available && located.parts.map(\.locator) == [PartLocator(callID)])
      #expect(located.facts.privacy == .restricted && !located.facts.isPrivacyKnown)
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == Self.sound)
      #expect(state == DownloadState(totalBytes: 50_000, isResumable: false))
      #expect(
        tenant.fileRequests.map(\.target) == [
          "/incontactapi/services/v34.0/contacts/460000000001/files",
          "/incontactapi/services/v34.0/contacts/460000000001/files?fileName=call%201.wav",
        ])
      #expect(tenant.mediaRequests.count == 1)
    }
  }

  @Test(arguments: [
    #"{"files":{"fileName":"file","file":"B"}}"#, #"{ "file" : "B" }"#,
    #"{"other":{"x":[":",{}]},"files":{"file":"B"}}"#,
    #"{"note":"a \"file\": \"x\"","file":"B","file2":"AAAA"}"#,
  ])
  func `the field is found by its name`(form: String) async throws {
    let text = form.replacing("\"B\"", with: "\"\(Self.base64)\"")
    for length in [7, 4096] {
      try await run {
        Self.inPieces(text, of: length)
      } _: { tenant in
        let sink = MemorySink()
        _ = try await tenant.download(into: sink)
        #expect(sink.bytes == Self.sound)
      }
    }
  }

  @Test(arguments: [1, 3, 5, 1000])
  func `escaped characters and line breaks are read, wherever the answer is cut`(length: Int) async throws {
    let short = Array(Self.sound.prefix(length == 1 ? 300 : 3000))
    var escaped = Data(short).base64EncodedString().replacing("/", with: #"\/"#).replacing("+", with: #"\u002B"#)
    escaped.insert(contentsOf: #"\r\n"#, at: escaped.startIndex)
    let text = #"{"files":{"file":"\#(escaped)"}}"#
    try await run {
      Self.inPieces(text, of: length)
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == short)
    }
  }

  @Test func `bytes of an earlier attempt are replaced`() async throws {
    try await run {
      .json(#"{"files":{"file":"\#(Self.base64)"}}"#)
    } _: { tenant in
      let sink = MemorySink([1, 2, 3])
      _ = try await tenant.download(callID, DownloadState(totalBytes: 50_000, isResumable: false), into: sink)
      #expect(sink.bytes == Self.sound)
    }
  }

  @Test func `an answer that is cut off is interrupted, not complete`() async throws {
    let half = String(Self.base64.prefix(20_000))
    try await run {
      Self.inPieces(#"{"files":{"file":"\#(half)"#, of: 4096, isComplete: false).then(.close)
    } _: {
      tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .downloadInterrupted)
    }
    // With a clean end of the body, only the missing quotation mark shows it.
    try await run {
      Self.inPieces(#"{"files":{"file":"\#(half)"#, of: 4096)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .downloadInterrupted)
    }
  }

  @Test(arguments: [#"{"files":{"file":"AA%A"}}"#, #"{"files":{"file":"AA==AA"}}"#, #"{"files":{"file":"AA==="}}"#])
  func `what is not base64 is no recording`(text: String) async throws {
    try await run {
      .json(text)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .incompleteRecording)
    }
  }

  @Test func `a file in place of all media misses no part`() async throws {
    try await MediaTenant.run { request, _, _ in
      request.target.hasPrefix("/media-playback/")
        ? .json(#"{"interactions":[\#(interaction(""))]}"#) : .json(Self.list)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .available && located.parts.count == 1)
      #expect(located.missingParts == 0 && located.skipped.isEmpty)
      #expect(located.facts.privacy == .standard && located.facts.isPrivacyKnown)
    }
  }

  @Test(arguments: [204, 403, 404])
  func `without a file, or the right to read it, there is no media`(status: Int) async throws {
    try await run(list: .response(status)) {
      .response(500)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .notYet)
    }
  }

  @Test func `a failure of the file call is not mistaken for a missing file`() async throws {
    try await run(list: .response(500)) {
      .response(500)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.locate(callID) }?.code == .platformUnavailable)
    }
  }

  @Test func `other files of the contact are no recording`() async throws {
    let list = ScriptedServer.Reply.json(#"{"files":[{"fileName":"a.txt","purposeName":"Chat"}]}"#)
    try await run(list: list) {
      .response(500)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .notYet)
    }
  }
}
