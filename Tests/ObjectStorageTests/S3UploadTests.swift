import Crypto
import Foundation
import Model
import NIOPosix
import ObjectStorage
import TestKit
import Testing

/// How storing handles late, wrong or hostile responses.
@Suite(.timeLimit(.minutes(1))) struct S3UploadTests {
  let sound = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
  let name = "/recordings/p/"

  @Test func `a small file is stored by one conditional request with its hash`() async throws {
    let clock = TestClock()
    try await ScriptedStore.run(system: clock.system()) { request, _ in
      .stored(request)
    } _: { scripted, folder in
      let object = try await scripted.store.keep(sound, by: folder)
      let request = try #require(scripted.server.requests.first)
      #expect(scripted.server.requests.count == 1)
      #expect(request.method == "PUT")
      #expect(request.target == "/recordings/p/\(object)")
      #expect(request.body == sound)
      #expect(request.header("If-None-Match") == "*")
      #expect(request.header("Content-Length") == "1000")
      #expect(request.header("x-amz-content-sha256") == object.hash.rawValue)
      #expect(
        request.header("x-amz-checksum-sha256").flatMap { Data(base64Encoded: $0) }.map(hex) == object.hash.rawValue)
      #expect(request.header("x-amz-date") == "20260115T120000Z")
      #expect(request.header("x-amz-security-token") == ScriptedStore.token)
      let signed = "SignedHeaders=content-type;host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;"
      #expect(request.header("Authorization")?.contains(signed) == true)
      #expect(request.header("Authorization")?.contains("Credential=id/20260115/us-east-1/s3/") == true)
      #expect(request.header("Authorization")?.contains("x-amz-security-token,") == true)
    }
  }

  @Test func `virtual addressing puts the bucket into the host`() async throws {
    let client = S3Fixture.client
    let folder = try TemporaryFolder()
    try await ScriptedServer.run { request in
      .stored(request)
    } _: { server in
      let endpoint = server.address.replacing("127.0.0.1", with: "localhost")
      let store = S3ObjectStore(
        settings: try S3Settings(url: "s3://recordings/p?endpoint=\(endpoint)&addressing=virtual"),
        credentials: try S3Credentials(accessKeyID: "id", secretAccessKey: "secret"), client: client,
        threads: .singleton, system: .system)
      let object = try await store.keep(sound, by: folder)
      #expect(server.requests.first?.target == "/p/\(object)")
      #expect(server.requests.first?.header("Host") == endpoint.replacing("http://", with: "recordings."))
    }
  }

  // MARK: Existing objects

  @Test(
    arguments: [412, 409, 202, 200], [["x-amz-checksum-sha256": "right"], [:], ["x-amz-checksum-type": "COMPOSITE"]])
  func `an existing object with the same content counts as stored`(status: Int, headers: [String: String]) async throws
  {
    let object = try TestObject(sound)
    let checksum = Data(
      stride(from: 0, to: 64, by: 2).compactMap { UInt8(object.hash.rawValue.dropFirst($0).prefix(2), radix: 16) }
    )
    .base64EncodedString()
    let composite = headers.merging(["x-amz-checksum-sha256": "of-parts"]) { $1 }
    let told =
      headers["x-amz-checksum-type"] == nil ? headers.mapValues { $0.replacing("right", with: checksum) } : composite
    try await ScriptedStore.run { request, _ in
      switch request.method {
      case "PUT": .refusal(status, "PreconditionFailed")
      case "HEAD": .head("1000", told)
      default: .response(200, body: sound)
      }
    } _: { scripted, folder in
      let file = try folder.file(sound)
      try await scripted.store.store(file, as: object, bytes: 1000)
      #expect(!folder.exists(file))
      // Without a checksum, the object is read.
      let hasChecksum = headers["x-amz-checksum-sha256"] != nil
      #expect(scripted.calls.map { $0.prefix(4) } == ["PUT ", "HEAD"] + (hasChecksum ? [] : ["GET "]))
    }
  }

  @Test(arguments: [("999", "e", ""), ("1000", "e", "somethingElse=")])
  func `an existing object with another length or checksum is quarantined and replaced`(
    bytes: String, etag: String, checksum: String
  ) async throws {
    try await ScriptedStore.run(system: TestClock().system()) { request, number in
      switch number {
      case 0: .refusal(412, "PreconditionFailed")
      case 1: .head(bytes, checksum.isEmpty ? [:] : ["x-amz-checksum-sha256": checksum])
      case 2: .xml("<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>")
      default: .stored(request)
      }
    } _: { scripted, folder in
      let file = try folder.file(sound)
      let object = try TestObject(sound)
      try await scripted.store.store(file, as: object, bytes: 1000)
      #expect(!folder.exists(file))
      let path = "\(name)\(object.folder)/NAME.mp3"
      #expect(
        scripted.calls == [
          "PUT \(path)", "HEAD \(path)", "PUT \(name)quarantine/2026-01-15T120000.000Z-NAME.mp3", "PUT \(path)",
        ])
      let requests = scripted.server.requests
      #expect(requests[2].header("x-amz-copy-source") == "\(name)\(object)")
      #expect(requests[3].header("If-None-Match") == nil)
      #expect(requests[3].body == sound)
    }
  }

  @Test(arguments: [412, 409])
  func `a conflict while replacing a damaged object is retried soon`(
    status: Int
  ) async throws {
    try await ScriptedStore.run { _, number in
      switch number {
      case 1: .head("999")
      case 2: .xml("<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>")
      default: .refusal(status, "ConditionalRequestConflict")
      }
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 1000) }
      #expect(error?.code == .storageFailed)
      #expect(error?.retryAfter == .seconds(1))
      #expect(folder.exists(file))
      #expect(scripted.calls.count == 4)
    }
  }

  @Test func `an object that cannot be copied to quarantine is not replaced`() async throws {
    try await ScriptedStore.run { _, number in
      switch number {
      case 0: .refusal(412, "PreconditionFailed")
      case 1: .head("1")
      default: .xml(ScriptedServer.Reply.error("InternalError"))
      }
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      #expect(await failure { try await scripted.store.store(file, as: object, bytes: 1000) } == .storageFailed)
      #expect(folder.exists(file))
      #expect(scripted.calls.count == 3)
    }
  }

  @Test func `a conflict with another writer is retried soon`() async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "PUT" ? .refusal(409, "ConditionalRequestConflict") : .refusal(404, "NoSuchKey")
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 1000) }
      #expect(error?.code == .storageFailed)
      #expect(error?.retryAfter == .seconds(1))
      #expect(folder.exists(file))
    }
  }

  @Test func `an existing object of the same length with another content is replaced`() async throws {
    let other = [UInt8](repeating: 0, count: 1000)
    try await ScriptedStore.run { request, number in
      switch (request.method, number) {
      case ("PUT", 0): .refusal(412, "PreconditionFailed")
      case ("HEAD", _): .head("1000")
      case ("GET", _): .response(200, body: other)
      case ("PUT", 3): .xml("<CopyObjectResult><ETag>\"x\"</ETag></CopyObjectResult>")
      default: .stored(request)
      }
    } _: { scripted, folder in
      try await scripted.store.keep(sound, by: folder)
      #expect(scripted.calls.map { $0.prefix(4) } == ["PUT ", "HEAD", "GET ", "PUT ", "PUT "])
      #expect(scripted.server.requests.last?.body == sound)
    }
  }

  // MARK: Success that is none

  @Test(arguments: [
    (202, ""), (203, ""), (206, ""), (200, "<html>Sign in</html>"), (200, " \n<!DOCTYPE html><p>x"),
    (200, "<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"), (200, #"{"error":"x"}"#),
  ])
  func `an answer to PUT that is no success of S3 keeps the file`(status: Int, body: String) async throws {
    try await ScriptedStore.run { request, _ in
      let checksum = request.header("x-amz-checksum-sha256") ?? ""
      return .response(status, ["x-amz-checksum-sha256": checksum], body: Array(body.utf8))
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      #expect(await failure { try await scripted.store.store(file, as: object, bytes: 1000) } == .storageFailed)
      #expect(folder.exists(file))
      // Another request may have stored it.
      #expect(scripted.calls.map { $0.prefix(4) } == ["PUT ", "HEAD"])
    }
  }

  @Test(
    arguments: ["", "\"x\"", "\"00000000000000000000000000000000\"", "\"d41d8cd98f00b204e9800998ecf8427e-1\""],
    [0, 999])
  func `a PUT whose answer proves nothing is not a success when the object is missing or shorter`(
    etag: String, length: Int
  ) async throws {
    try await ScriptedStore.run { request, _ in
      switch request.method {
      case "PUT": .response(200, etag.isEmpty ? [:] : ["ETag": etag])
      case "HEAD" where length > 0: .head("\(length)")
      case "HEAD": .response(404)
      default: .refusal(404, "NoSuchKey")
      }
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      #expect(await failure { try await scripted.store.store(file, as: object, bytes: 1000) } == .storageFailed)
      #expect(folder.exists(file))
    }
  }

  @Test func `the object is looked up unless the answer to PUT proves its checksum`() async throws {
    let md5 = hex(Insecure.MD5.hash(data: sound))
    for (status, headers, calls) in [
      (200, ["ETag": "\"\(md5)\""], ["PUT "]), (201, ["ETag": md5.uppercased()], ["PUT "]),
      (204, [:], ["PUT ", "HEAD"]), (200, ["ETag": "\"x\""], ["PUT ", "HEAD"]),
      (200, ["x-amz-checksum-sha256": "other="], ["PUT ", "HEAD"]),
    ] as [(Int, [String: String], [String])] {
      try await ScriptedStore.run { request, _ in
        request.method == "PUT" ? .response(status, headers) : .head("1000")
      } _: { scripted, folder in
        try await scripted.store.keep(sound, by: folder)
        #expect(scripted.calls.map { String($0.prefix(4)) } == calls)
      }
    }
  }

  // MARK: Rejected

  struct Refusal: Sendable, CustomTestStringConvertible {
    var status: Int
    var code: String
    var says: String
    var testDescription: String { "\(status) \(code)" }
  }

  @Test(arguments: [
    Refusal(status: 403, code: "SignatureDoesNotMatch", says: "AWS_SECRET_ACCESS_KEY"),
    Refusal(status: 403, code: "InvalidAccessKeyId", says: "AWS_ACCESS_KEY_ID"),
    Refusal(status: 403, code: "RequestTimeTooSkewed", says: "clock"),
    Refusal(status: 403, code: "AccessDenied", says: "docs/storage-format.md"),
    Refusal(status: 403, code: "", says: "docs/storage-format.md"),
    Refusal(status: 401, code: "Unauthorized", says: "docs/storage-format.md"),
    Refusal(status: 400, code: "ExpiredToken", says: "AWS_SESSION_TOKEN"),
    Refusal(status: 403, code: "InvalidToken", says: "AWS_SESSION_TOKEN"),
    Refusal(status: 400, code: "AuthorizationHeaderMalformed", says: "'region'"),
    Refusal(status: 301, code: "PermanentRedirect", says: "'endpoint'"),
    Refusal(status: 307, code: "TemporaryRedirect", says: "'endpoint'"),
    Refusal(status: 302, code: "", says: "'endpoint'"),
    Refusal(status: 404, code: "NoSuchBucket", says: "no such bucket"),
    Refusal(status: 400, code: "BadDigest", says: "status 400"),
    Refusal(status: 500, code: "InternalError", says: "retried"),
    Refusal(status: 429, code: "TooManyRequests", says: "retried"),
  ])
  func `a rejection says what to check, keeps the file and shows no secret`(refusal: Refusal) async throws {
    try await ScriptedStore.run { _, _ in
      .refusal(refusal.status, refusal.code, ["x-amz-request-id": "R-7", "x-amz-bucket-region": "eu-north-1"])
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = try #require(await error { try await scripted.store.store(file, as: object, bytes: 1000) })
      #expect(error.code == .storageFailed)
      #expect(error.message.contains(refusal.says), "\(error.message)")
      let detail = try #require(error.detail)
      #expect(detail.contains("status \(refusal.status)") && detail.contains("R-7") && detail.contains("eu-north-1"))
      #expect(refusal.code.isEmpty || detail.contains(refusal.code))
      #expect(!"\(error) \(error.message) \(detail) \(String(describing: error.cause))".contains("canary"))
      #expect(folder.exists(file))
      #expect(scripted.calls.count == 1)
    }
  }

  @Test(arguments: [(507, "XMinioStorageFull"), (507, ""), (403, "QuotaExceeded")])
  func `a full store is reported as a full disk`(status: Int, code: String) async throws {
    try await ScriptedStore.run { _, _ in
      .refusal(status, code)
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 1000) }
      #expect(error?.code == .diskFull)
      #expect(error?.message.contains("quota") == true)
    }
  }

  @Test func `the delay of a busy store is used`() async throws {
    try await ScriptedStore.run { _, _ in
      .refusal(503, "SlowDown", ["Retry-After": "7"])
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 1000) }
      #expect(error?.code == .storageFailed)
      #expect(error?.retryAfter == .seconds(7))
    }
  }

  @Test(arguments: [301, 302, 303, 307, 308])
  func `a redirect is never followed`(status: Int) async throws {
    try await ScriptedServer.run { _ in
      .response(200)
    } _: { elsewhere in
      let address = elsewhere.address
      try await ScriptedStore.run { _, _ in
        .response(status, ["Location": "\(address)/trap"])
      } _: { scripted, folder in
        let (file, object) = (try folder.file(sound), try TestObject(sound))
        #expect(await failure { try await scripted.store.store(file, as: object, bytes: 1000) } == .storageFailed)
        #expect(await failure { try await scripted.store.open(object.name) } == .storageFailed)
        #expect(await failure { try await scripted.store.objects(in: object.folder) } == .storageFailed)
        #expect(await failure { try await scripted.store.content(of: object.name) } == .storageFailed)
      }
      #expect(elsewhere.requests.isEmpty)
    }
  }

  // MARK: Connections

  @Test(arguments: [ScriptedServer.Reply.Step.close, .reset])
  func `a connection that ends without an answer is replaced, twice at most`(
    end: ScriptedServer.Reply.Step
  ) async throws {
    try await ScriptedStore.run { request, number in
      number == 0 ? .init([end]) : .stored(request)
    } _: { scripted, folder in
      try await scripted.store.keep(sound, by: folder)
      #expect(scripted.server.requests.map(\.body) == [sound, sound])
    }
    try await ScriptedStore.run { _, _ in
      .init([end])
    } _: { scripted, folder in
      let (file, object) = (try folder.file(sound), try TestObject(sound))
      let error = await error { try await scripted.store.store(file, as: object, bytes: 1000) }
      #expect(error?.code == .storageFailed)
      #expect(error?.message.contains("connection") == true)
      #expect(scripted.calls.count == 3)
      #expect(folder.exists(file))
    }
  }

  @Test func `a store that does not answer fails after a minute`() async throws {
    let (clock, never) = (TestClock(), Gate())
    try await ScriptedStore.run(system: clock.system()) { _, _ in
      .init([.wait(never)])
    } _: { scripted, folder in
      let (store, file, object) = (scripted.store, try folder.file(sound), try TestObject(sound))
      let storing = Task { await error { try await store.store(file, as: object, bytes: 1000) } }
      let time = Task {
        while true {
          try await clock.untilSleeping(1)
          clock.advance(by: .seconds(61))
          await Task.yield()
        }
      }
      let failure = await storing.value
      time.cancel()
      #expect(failure?.code == .storageFailed)
      #expect(failure?.message.contains("in time") == true)
      #expect(folder.exists(file))
    }
  }

  @Test func `an unreachable store is reported as such`() async throws {
    let folder = try TemporaryFolder()
    let store = S3ObjectStore(
      // A port that no other test takes.
      settings: try S3Settings(url: "s3://recordings?endpoint=http://127.0.0.1:1"),
      credentials: try S3Credentials(accessKeyID: "id", secretAccessKey: "secret"), client: S3Fixture.client,
      threads: .singleton, system: .system)
    let (file, object) = (try folder.file(sound), try TestObject(sound))
    let error = await error { try await store.store(file, as: object, bytes: 1000) }
    #expect(error?.code == .storageFailed)
    #expect(error?.message.contains("refused the connection") == true)
  }
}
