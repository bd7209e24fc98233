import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

/// How uploads in parts handle wrong or hostile responses.
@Suite(.timeLimit(.minutes(1))) struct S3PartsTests {
  typealias Request = ScriptedServer.Request
  typealias Reply = ScriptedServer.Reply

  static let begun = Reply.xml(
    "<InitiateMultipartUploadResult><Bucket>recordings</Bucket><Key>k</Key><UploadId>u/1&amp;2</UploadId>"
      + "</InitiateMultipartUploadResult>")
  static let completed = Reply.xml(
    "<CompleteMultipartUploadResult><ETag>&quot;x-3&quot;</ETag></CompleteMultipartUploadResult>")

  let sound = (0..<2500).map { UInt8(truncatingIfNeeded: $0 &* 37) }

  /// The correct response to each step of an upload.
  static func good(_ request: Request) -> Reply {
    switch (request.method, request.target.contains("uploadId=")) {
    // A body after a response to HEAD would end the connection while the client may already reuse it.
    case ("HEAD", _): .response(404)
    case ("GET", _): .refusal(404, "NoSuchKey")
    case ("POST", false): begun
    case ("PUT", _): .response(200, ["ETag": "\"part\""])
    case ("POST", true): completed
    default: .response(204)
    }
  }

  /// Stores 2,500 bytes in parts of 1,000.
  func run(
    _ script: @escaping @Sendable (Request, Int) async -> Reply,
    _ body: (ScriptedStore, TapedeckError?, _ isThere: Bool) async throws -> Void
  ) async throws {
    try await ScriptedStore.run(uploads: (2000, 1000), script) { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 2500) }
      try await body(scripted, error, folder.exists(file))
    }
  }

  @Test func `a large file is uploaded in parts with hashes and becomes visible with the last request`() async throws {
    try await run { request, _ in
      Self.good(request)
    } _: { scripted, error, isThere in
      #expect(error == nil)
      #expect(!isThere)
      let object = "/recordings/p/\(try TestObject(sound).folder)/NAME.mp3"
      #expect(
        scripted.calls == [
          "HEAD \(object)", "GET \(object)", "POST \(object)?uploads=",
          "PUT \(object)?partNumber=1&uploadId=u%2F1%262", "PUT \(object)?partNumber=2&uploadId=u%2F1%262",
          "PUT \(object)?partNumber=3&uploadId=u%2F1%262", "POST \(object)?uploadId=u%2F1%262",
        ])
      let requests = scripted.server.requests
      #expect(requests[2].header("x-amz-checksum-algorithm") == "SHA256")
      for (index, span) in [0..<1000, 1000..<2000, 2000..<2500].enumerated() {
        let part = requests[3 + index]
        #expect(part.body == Array(sound[span]))
        #expect(try part.header("x-amz-content-sha256") == TestObject(part.body).hash.rawValue)
        #expect(part.header("If-None-Match") == nil)
      }
      let last = try #require(requests.last)
      #expect(last.header("If-None-Match") == "*")
      let checksum = try #require(requests[5].header("x-amz-checksum-sha256"))
      #expect(
        last.text.hasSuffix(
          "<Part><ChecksumSHA256>\(checksum)</ChecksumSHA256><ETag>&quot;part&quot;</ETag>"
            + "<PartNumber>3</PartNumber></Part></CompleteMultipartUpload>"))
    }
  }

  @Test func `a large file that exists already is not sent`() async throws {
    try await run { request, _ in
      request.method == "HEAD"
        ? .head("2500", etag: "\"x-3\"", ["x-amz-checksum-sha256": "of the parts"]) : .response(200, body: sound)
    } _: { scripted, error, isThere in
      #expect(error == nil)
      #expect(!isThere)
      #expect(scripted.calls.map { $0.prefix(4) } == ["HEAD", "GET "], "read, as its checksum is not known")
    }
  }

  @Test(arguments: [
    Reply.error("InternalError"), "  \n\n" + Reply.error("SlowDown"), "", "<", "<html>", "OK",
    "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>",
    "<Error><CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult></Error>",
  ])
  func `an upload that ends with status 200 and no result has failed and is aborted`(body: String) async throws {
    try await run { request, _ in
      request.method == "POST" && request.target.contains("uploadId=") ? .xml(body) : Self.good(request)
    } _: { scripted, error, isThere in
      #expect(error?.code == .storageFailed)
      #expect(isThere)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
      #expect(scripted.calls.last?.hasSuffix("?uploadId=u%2F1%262") == true)
    }
  }

  @Test func `the end of an upload may be delayed with white space`() async throws {
    try await run { request, _ in
      guard request.method == "POST", request.target.contains("uploadId=") else { return Self.good(request) }
      let result = "<CompleteMultipartUploadResult><ETag>\"x\"</ETag></CompleteMultipartUploadResult>"
      return .chunked(200, pieces: ["<?xml version=\"1.0\"?>", "  \n", " ", "\n", result].map { Array($0.utf8) })
    } _: { _, error, _ in
      #expect(error == nil)
    }
  }

  @Test(arguments: [1, 2, 3, 4])
  func `after any failed step the upload is aborted and the file kept`(step: Int) async throws {
    try await run { request, _ in
      let fails =
        step == 4
        ? request.method == "POST" && request.target.contains("uploadId=")
        : request.target.contains("partNumber=\(step)&")
      return fails ? .refusal(503, "SlowDown", ["Retry-After": "9"]) : Self.good(request)
    } _: { scripted, error, isThere in
      #expect(error?.code == .storageFailed)
      #expect(error?.retryAfter == .seconds(9))
      #expect(isThere)
      #expect(scripted.calls.count { $0.hasPrefix("DELETE") } == 1)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
    }
  }

  @Test func `a failed abort does not hide the first error`() async throws {
    try await run { request, _ in
      switch request.method {
      case "PUT": .refusal(507, "")
      case "DELETE": .init([.reset])
      default: Self.good(request)
      }
    } _: { scripted, error, _ in
      #expect(error?.code == .diskFull)
    }
  }

  @Test func `when another node was faster, the upload is aborted and the object counts as stored`() async throws {
    let (heads, reads) = (Counter(), Counter())
    try await run { request, _ in
      switch (request.method, request.target.contains("uploadId=")) {
      case ("POST", true): .refusal(412, "PreconditionFailed")
      case ("HEAD", _): heads.next() == 0 ? .response(404) : .head("2500")
      case ("GET", _): reads.next() == 0 ? .refusal(404, "NoSuchKey") : .response(200, body: sound)
      default: Self.good(request)
      }
    } _: { scripted, error, isThere in
      #expect(error == nil)
      #expect(!isThere)
      #expect(scripted.calls.suffix(3).map { $0.prefix(4) } == ["DELE", "HEAD", "GET "])
    }
  }

  @Test(arguments: [
    "", "<InitiateMultipartUploadResult></InitiateMultipartUploadResult>",
    "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>",
    "<InitiateMultipartUploadResult><UploadId>\(String(repeating: "u", count: 5000))</UploadId>"
      + "</InitiateMultipartUploadResult>",
  ])
  func `an upload without an id has failed`(body: String) async throws {
    try await run { request, _ in
      request.method == "POST" ? .xml(body) : Self.good(request)
    } _: { scripted, error, isThere in
      #expect(error?.code == .storageFailed)
      #expect(isThere)
      #expect(scripted.calls.last?.hasPrefix("POST") == true)
    }
  }

  @Test func `a part without an ETag has failed`() async throws {
    try await run { request, _ in
      request.method == "PUT" ? .response(200) : Self.good(request)
    } _: { scripted, error, _ in
      #expect(error?.code == .storageFailed)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
    }
  }

  @Test func `an upload without the expected hash is never completed`() async throws {
    try await ScriptedStore.run(uploads: (2000, 1000)) { request, _ in
      Self.good(request)
    } _: { scripted, folder in
      let file = try folder.file(sound)
      #expect(await failure { try await scripted.store.store(file, as: anyObject, bytes: 2500) } == .storageFailed)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
      #expect(!scripted.calls.contains { $0.hasPrefix("POST") && $0.contains("uploadId") })
    }
  }

  @Test func `a cancelled upload is aborted`() async throws {
    let (started, never) = (Gate(), Gate())
    try await ScriptedStore.run(uploads: (2000, 1000)) { request, _ in
      guard request.target.contains("partNumber=2&") else { return Self.good(request) }
      started.open()
      return .init([.wait(never)])
    } _: { scripted, folder in
      let (store, file, object) = (scripted.store, try folder.file(sound), try TestObject(sound))
      let storing = Task { await failure { try await store.store(file, as: object, bytes: 2500) } }
      try await started.wait()
      storing.cancel()
      #expect(await storing.value == .interrupted)
      #expect(folder.exists(file))
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
    }
  }

  @Test(arguments: [1, 2, 3, 4])
  func `after any failed step of a copy in parts the object stays and the upload is aborted`(step: Int) async throws {
    try await ScriptedStore.run(copies: (2000, 1000)) { request, _ in
      let isEnd = request.method == "POST" && request.target.contains("uploadId=")
      if step == 4 ? isEnd : request.target.contains("partNumber=\(step)&") {
        return .xml(Reply.error("InternalError"))
      }
      return switch request.method {
      case "HEAD": .head("2500")
      case "PUT": .xml("<CopyPartResult><ETag>&quot;part&quot;</ETag></CopyPartResult>")
      default: Self.good(request)
      }
    } _: { scripted, _ in
      #expect(await failure { try await scripted.store.quarantine(anyName, because: "") } == .storageFailed)
      let deletions = scripted.calls.filter { $0.hasPrefix("DELETE") }
      #expect(deletions.count == 1)
      #expect(deletions.first?.hasSuffix("?uploadId=u%2F1%262") == true)
    }
  }

  @Test func `a copy in parts copies each span once, up to the object's end`() async throws {
    try await ScriptedStore.run(copies: (2000, 1000)) { request, _ in
      switch request.method {
      case "HEAD": .head("2500")
      case "PUT": .xml("<CopyPartResult><ETag>&quot;part&quot;</ETag></CopyPartResult>")
      default: Self.good(request)
      }
    } _: { scripted, _ in
      try await scripted.store.quarantine(anyName, because: "")
      let copies = scripted.server.requests.filter { $0.method == "PUT" }
      #expect(
        copies.map { $0.header("x-amz-copy-source-range") } == ["bytes=0-999", "bytes=1000-1999", "bytes=2000-2499"])
      #expect(copies.allSatisfy { $0.header("x-amz-copy-source") == "/recordings/p/\(anyName)" })
      let end = try #require(scripted.server.requests.last { $0.method == "POST" })
      #expect(
        end.text.hasSuffix(
          "<Part><ETag>&quot;part&quot;</ETag><PartNumber>3</PartNumber></Part></CompleteMultipartUpload>"))
      #expect(scripted.calls.last == "DELETE /recordings/p/\(anyName.folder)/NAME.mp3")
    }
  }

  @Test func `requests that begin or complete an upload are not repeated`() async throws {
    try await run { request, _ in
      request.method == "POST" ? .init([.close]) : Self.good(request)
    } _: { scripted, error, _ in
      #expect(error?.code == .storageFailed)
      #expect(scripted.calls.count { $0.hasPrefix("POST") } == 1)
    }
  }
}
