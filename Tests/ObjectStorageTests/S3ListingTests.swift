import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

/// How listings are parsed, and malformed or hostile ones refused.
@Suite(.timeLimit(.minutes(1))) struct S3ListingTests {
  typealias Reply = ScriptedServer.Reply

  static let hash = anyName.digits
  static let folder = anyName.folder

  static func entry(_ name: String, bytes: String = "7", at moment: String = "2026-01-15T12:00:00.123Z") -> String {
    "<Contents><Key>\(name)</Key><LastModified>\(moment)</LastModified><ETag>&quot;e&quot;</ETag>"
      + "<Size>\(bytes)</Size><Owner><ID>o</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
  }

  static func page(_ entries: String, next: String? = nil, encoding: String = "") -> Reply {
    .xml(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        + "<Name>recordings</Name><Prefix/><KeyCount>1</KeyCount><IsTruncated>\(next != nil)</IsTruncated>"
        + (next.map { "<NextContinuationToken>\($0)</NextContinuationToken>" } ?? "") + entries + encoding
        + "</ListBucketResult>\n")
  }

  private func listed(
    _ script: @escaping @Sendable (ScriptedServer.Request, Int) async -> Reply
  ) async throws -> (result: Result<[ListedObject], TapedeckError>, requests: [ScriptedServer.Request]) {
    try await ScriptedStore.run(script) { scripted, _ in
      do throws(TapedeckError) {
        return (.success(try await scripted.store.objects(in: Self.folder)), scripted.server.requests)
      } catch {
        return (.failure(error), scripted.server.requests)
      }
    }
  }

  @Test func `pages are requested up to the last one`() async throws {
    let names = ["mp3", "wav", "dat"].map { "p/\(Self.folder)/\(Self.hash).\($0)" }
    let (result, requests) = try await listed { _, number in
      Self.page(Self.entry(names[number]), next: number < 2 ? "1/&amp;\(number)+==" : nil)
    }
    let objects = try result.get()
    #expect(objects.map { "p/\($0.name)" } == names)
    #expect(objects.allSatisfy { $0.bytes == 7 && $0.changedAt.iso8601Milliseconds == "2026-01-15T12:00:00.123Z" })
    #expect(
      requests.map(\.target) == [
        "/recordings?encoding-type=url&list-type=2&prefix=p%2F0a%2F",
        "/recordings?continuation-token=1%2F%260%2B%3D%3D&encoding-type=url&list-type=2&prefix=p%2F0a%2F",
        "/recordings?continuation-token=1%2F%261%2B%3D%3D&encoding-type=url&list-type=2&prefix=p%2F0a%2F",
      ])
  }

  @Test(arguments: [
    "p/0a/\(hash).mp3", "p&#x2F;0a&#47;\(hash).mp3",
    "p/0a/\(hash).mp3</Key><Key>p/0a/\(hash).mp3",
  ])
  func `keys are read with XML entities decoded`(name: String) async throws {
    #expect(try await listed { _, _ in Self.page(Self.entry(name)) }.result.get().map(\.name) == [anyName])
  }

  @Test func `percent-encoded keys are decoded when the answer says so`() async throws {
    let encoded = "p%2F0a%2F\(Self.hash).mp3"
    let said = "<EncodingType>url</EncodingType>"
    #expect(
      try await listed { _, _ in Self.page(Self.entry(encoded), encoding: said) }.result.get().map(\.name) == [anyName])
    #expect(try await listed { _, _ in Self.page(Self.entry(encoded)) }.result.get() == [])
  }

  @Test func `keys that are not objects of the folder are left out`() async throws {
    let names = [
      "p/0a/", "p/0a/README", "p/0a/\(Self.hash)", "p/0a/\(Self.hash).exe", "p/0b/\(Self.hash).mp3",
      "p/0a/\(String(repeating: "b", count: 64)).mp3", "q/0a/\(Self.hash).mp3", "0a/\(Self.hash).mp3", "",
      "p/quarantine/x-\(Self.hash).mp3", "p/bb/\(String(repeating: "b", count: 64)).mp3",
    ]
    #expect(try await listed { _, _ in Self.page(names.map { Self.entry($0) }.joined()) }.result.get() == [])
  }

  @Test(arguments: [
    "", " ", "OK", "<", "<>", "</a>", "<a", "<a>", "<a></b>", "<a></a></a>", "<a></a><a></a>", "<a></a>x",
    "<a b=\"</a>",
    "<html><body>Sign in</body></html>", "<Error><Code>InternalError</Code></Error>", "{\"Contents\": []}",
    "<ListBucketResult></ListBucketResult>", "<ListBucketResult/>",
    "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
    "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken/></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents></Contents></ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("k", bytes: "-1"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("k", bytes: "99999999999999999999"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("k", at: "yesterday"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("&nbsp;"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("&amp"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("&#0;"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("&#xD800;"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\(entry("&#99999999;"))</ListBucketResult>",
    "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>\(entry("%zz"))</ListBucketResult>",
    "<ListBucketResult><!-- --><IsTruncated>false</IsTruncated></ListBucketResult>",
    "<ListBucketResult><![CDATA[x]]><IsTruncated>false</IsTruncated></ListBucketResult>",
    "<ListBucketResult><?php ?><IsTruncated>false</IsTruncated></ListBucketResult>",
    // Entities that expand, and entities that read files.
    "<!DOCTYPE a [<!ENTITY a \"xxxxxxxxxx\"><!ENTITY b \"&a;&a;&a;\">]><ListBucketResult>&b;</ListBucketResult>",
    "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><ListBucketResult>&x;</ListBucketResult>",
    String(repeating: "<a>", count: 100_000),
    "<ListBucketResult>" + String(repeating: "<a>", count: 20) + String(repeating: "</a>", count: 20)
      + "<IsTruncated>false</IsTruncated></ListBucketResult>",
    "<\(String(repeating: "a", count: 100_000))>",
  ])
  func `an answer that is not a listing is rejected`(body: String) async throws {
    let (result, _) = try await listed { _, _ in .xml(body) }
    #expect(throws: TapedeckError.self) { try result.get() }
    if case .failure(let error) = result { #expect(error.code == .storageFailed) }
  }

  @Test func `invalid UTF-8 is rejected`() async throws {
    let bytes = Array("<ListBucketResult><IsTruncated>false</IsTruncated><Name>".utf8) + [0xC3, 0x28]
    let (result, _) = try await listed { _, _ in .response(200, body: bytes + Array("</Name></ListBucketResult>".utf8))
    }
    #expect(throws: TapedeckError.self) { try result.get() }
  }

  @Test func `a listing without an end is abandoned after 8 MiB`() async throws {
    let piece = [UInt8](repeating: 0x20, count: 64 << 10)
    let (result, _) = try await listed { _, _ in
      .chunked(200, pieces: [Array("<ListBucketResult>".utf8)] + Array(repeating: piece, count: 1000))
    }
    guard case .failure(let error) = result else {
      Issue.record("it was read to its end")
      return
    }
    #expect(error.code == .storageFailed)
    #expect(error.message.contains("longer"))
  }

  @Test func `a listing whose pages repeat is abandoned`() async throws {
    let (same, requests) = try await listed { _, _ in Self.page("", next: "again") }
    #expect(throws: TapedeckError.self) { try same.get() }
    #expect(requests.count == 2)
    let (other, many) = try await listed { _, number in Self.page("", next: "page \(number)") }
    #expect(throws: TapedeckError.self) { try other.get() }
    #expect(many.count == 1000)
  }

  // MARK: Quarantine and probe

  @Test func `a copy that fails after status 200 does not delete the object`() async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "HEAD" ? .head("9") : .xml(Reply.error("InternalError"))
    } _: { scripted, _ in
      #expect(await failure { try await scripted.store.quarantine(anyName, because: "") } == .storageFailed)
      #expect(!scripted.calls.contains { $0.hasPrefix("DELETE") })
    }
  }

  @Test func `the source of a copy is encoded, and a long reason is truncated`() async throws {
    try await ScriptedStore.run { request, _ in
      switch request.method {
      case "PUT": .xml("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
      case "HEAD": .head("9")
      default: .response(204)
      }
    } _: { scripted, _ in
      try await scripted.store.quarantine(anyName, because: String(repeating: "long\r\n", count: 1000))
      let request = try #require(scripted.server.requests.dropFirst().first)
      #expect(request.header("x-amz-copy-source") == "/recordings/p/\(anyName)")
      #expect(request.header("x-amz-meta-reason")?.count == 1000)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
    }
  }

  @Test func `a probe that reads other bytes than it wrote fails, and deletes its object`() async throws {
    try await ScriptedStore.run { request, _ in
      .response(200, body: request.method == "GET" ? [1, 2, 3] : [])
    } _: { scripted, _ in
      let error = await error { try await scripted.store.probe() }
      #expect(error?.code == .storageFailed)
      #expect(error?.message.contains("read back") == true)
      #expect(scripted.calls.map { $0.prefix(4) } == ["PUT ", "GET ", "DELE"])
    }
  }
}
