import Catalog
import HTTPTypes
import Model
import Testing

/// Ranges of bytes, as RFC 9110 requires.
@Suite(.timeLimit(.minutes(5)))
struct RangeTests {
  /// What one value of `Range` leads to, for a file of 1000 bytes.
  struct Case: Sendable, CustomTestStringConvertible {
    var header: String
    var status: Int
    var bytes: Range<Int>?

    init(_ header: String, _ status: Int, _ bytes: Range<Int>? = nil) {
      self.header = header
      self.status = status
      self.bytes = bytes
    }

    var testDescription: String { header }
  }

  static let file: [UInt8] = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }

  static let cases: [Case] = [
    Case("bytes=0-", 206, 0..<1000),
    Case("bytes=0-0", 206, 0..<1),
    Case("bytes=0-499", 206, 0..<500),
    Case("bytes=500-999", 206, 500..<1000),
    Case("bytes=999-", 206, 999..<1000),
    Case("bytes=999-999", 206, 999..<1000),
    Case("bytes=500-5000", 206, 500..<1000),
    Case("bytes=0-99999999999999999999999999", 206, 0..<1000),
    Case("bytes=0-9223372036854775807", 206, 0..<1000),
    Case("bytes=00000000000000000000005-9", 206, 5..<10),
    Case("bytes=-1", 206, 999..<1000),
    Case("bytes=-100", 206, 900..<1000),
    Case("bytes=-1000", 206, 0..<1000),
    Case("bytes=-1001", 206, 0..<1000),
    Case("bytes=-99999999999999999999999999", 206, 0..<1000),
    Case("Bytes=1-2", 206, 1..<3),
    Case("bytes= 1-2 ", 206, 1..<3),
    Case("bytes=1000-", 416),
    Case("bytes=1000-2000", 416),
    Case("bytes=9223372036854775807-", 416),
    Case("bytes=9223372036854775807-9223372036854775807", 416),
    Case("bytes=99999999999999999999999999-", 416),
    Case("bytes=-0", 416),
    Case("bytes=5-4", 200, 0..<1000),
    Case("bytes=-", 200, 0..<1000),
    Case("bytes=", 200, 0..<1000),
    Case("bytes", 200, 0..<1000),
    Case("bytes=a-b", 200, 0..<1000),
    Case("bytes=1-b", 200, 0..<1000),
    Case("bytes=+1-2", 200, 0..<1000),
    Case("bytes=1-+2", 200, 0..<1000),
    Case("bytes=--1", 200, 0..<1000),
    Case("bytes=1--2", 200, 0..<1000),
    Case("bytes=0x1-0x2", 200, 0..<1000),
    Case("bytes=٣-٤", 200, 0..<1000),
    Case("bytes=0-1,5-6", 200, 0..<1000),
    Case("bytes=0-0,-1", 200, 0..<1000),
    Case("bytes=,", 200, 0..<1000),
    Case("items=0-1", 200, 0..<1000),
    Case("bytes 0-1", 200, 0..<1000),
    Case("=0-1", 200, 0..<1000),
    Case("", 200, 0..<1000),
  ]

  @Test(arguments: [HTTPRequest.Method.get, .head])
  func `each form of a range is answered as the standard requires`(method: HTTPRequest.Method) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: Self.file)
      for wanted in Self.cases {
        let answer = try await fixture.send(method, "/audio/r.mp3", as: .agent, headers: ["Range": wanted.header])
        #expect(answer.status == wanted.status, "\(wanted.header)")
        #expect(answer.header("Accept-Ranges") == "bytes")
        switch wanted.bytes {
        case nil:
          #expect(answer.header("Content-Range") == "bytes */1000", "\(wanted.header)")
          #expect(answer.body.isEmpty)
        case let bytes?:
          #expect(answer.header("Content-Length") == "\(bytes.count)", "\(wanted.header)")
          let range = "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/1000"
          #expect(answer.header("Content-Range") == (wanted.status == 206 ? range : nil), "\(wanted.header)")
          #expect(answer.body == (method == .get ? Array(Self.file[bytes]) : []), "\(wanted.header)")
        }
      }
    }
  }

  @Test func `an empty file has no range and is served`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: [])
      let whole = try await fixture.get("/audio/r.mp3", as: .agent)
      #expect(whole.status == 200)
      #expect(whole.header("Content-Length") == "0")
      for range in ["bytes=0-", "bytes=-1", "bytes=0-0", "bytes=-0"] {
        let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": range])
        #expect(answer.status == 416, "\(range)")
        #expect(answer.header("Content-Range") == "bytes */0")
      }
    }
  }

  @Test func `a file of several pieces is whole, and so are its ranges`() async throws {
    try await WebFixture.run { fixture in
      let large = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 10) }
      try await fixture.archive(try fixture.facts("r"), mp3: large)
      #expect(try await fixture.get("/audio/r.mp3", as: .agent).body == large)
      let part = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=100001-900000"])
      #expect(part.status == 206)
      #expect(part.body == Array(large[100_001...900_000]))
      #expect(part.header("Content-Length") == "800000")
    }
  }

  @Test func `If-Range matches only the same version of the file`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: Self.file)
      let tag = try #require(try await fixture.get("/audio/r.mp3", as: .agent).header("ETag"))
      for (condition, status) in [
        (tag, 206), ("\"other\"", 200), ("W/\(tag)", 200), (String(tag.dropFirst().dropLast()), 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200), ("", 200), ("*", 200),
      ] {
        let answer = try await fixture.get(
          "/audio/r.mp3", as: .agent, headers: ["Range": "bytes=0-9", "If-Range": condition])
        #expect(answer.status == status, "\(condition)")
        #expect(answer.body.count == (status == 206 ? 10 : 1000))
      }
      // Another version may be longer, so the whole file is sent.
      let beyond = try await fixture.get(
        "/audio/r.mp3", as: .agent, headers: ["Range": "bytes=5000-", "If-Range": "\"other\""])
      #expect(beyond.status == 200)
    }
  }

  @Test func `a client that has the file gets 304 and no bytes`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: Self.file)
      let tag = try #require(try await fixture.get("/audio/r.mp3", as: .agent).header("ETag"))
      for condition in [tag, "W/\(tag)", "\"x\", \(tag)", "*"] {
        let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["If-None-Match": condition])
        #expect(answer.status == 304, "\(condition)")
        #expect(answer.body.isEmpty)
        #expect(answer.header("ETag") == tag)
      }
      for condition in ["\"x\"", "", String(tag.dropFirst())] {
        let answer = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["If-None-Match": condition])
        #expect(answer.status == 200, "\(condition)")
      }
    }
  }

  @Test func `the headers of the file do not depend on the range`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), mp3: Self.file)
      let whole = try await fixture.get("/audio/r.mp3", as: .agent)
      let part = try await fixture.get("/audio/r.mp3", as: .agent, headers: ["Range": "bytes=1-2"])
      let archived = try #require(try await fixture.catalog.archived(try fixture.key("r")))
      let digest = try #require(base64(hexadecimal: archived.parts[0].mp3.hash.rawValue))
      for name in ["ETag", "Content-Type", "Cache-Control", "Repr-Digest"] {
        #expect(whole.header(name) != nil, "\(name)")
        #expect(part.header(name) == whole.header(name), "\(name)")
      }
      #expect(whole.header("Content-Type") == "audio/mpeg")
      #expect(whole.header("Cache-Control") == "private, no-store")
      // The digest is the hash in the catalog.
      #expect(whole.header("Repr-Digest") == "sha-256=:\(digest):")
      #expect(try await fixture.get("/audio/r/original", as: .agent).header("Content-Type") == "audio/wav")
    }
  }
}
