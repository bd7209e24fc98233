import Deflate
import HTTPTypes
import Model
import NIOCore
import Testing
import Web

/// Which responses are compressed, for whom, and how they may be kept.
@Suite(.timeLimit(.minutes(5)))
struct CompressionTests {
  private func inflated(_ answer: WebFixture.Answer) throws -> [UInt8] {
    let result = Inflation(of: ByteBuffer(bytes: answer.body), .withHeader, upTo: 64 << 20)
    guard case .bytes(let bytes) = result else { throw TapedeckError(.internalError, "\(result)") }
    return Array(bytes.readableBytesView)
  }

  static let codings: [(header: String, accepts: Bool)] = [
    ("gzip", true), ("gzip, deflate, br", true), ("br;q=1.0, GZIP;q=0.2", true), ("x-gzip", true), ("*", true),
    ("gzip ; q=0.001", true), ("deflate, *;q=0.1", true), ("", false), ("br", false), ("identity", false),
    ("gzip;q=0", false), ("gzip;q=0.000", false), ("*;q=0", false), ("gzip;q=0, *", false), ("gzipped", false),
  ]

  @Test(arguments: codings)
  func `a client gets gzip only if it accepts it`(header: String, accepts: Bool) async throws {
    try await WebFixture.run { fixture in
      let plain = try await fixture.get("/assets/player.js")
      let answer = try await fixture.get("/assets/player.js", headers: ["Accept-Encoding": header])
      #expect(answer.header("Content-Encoding") == (accepts ? "gzip" : nil))
      #expect(answer.header("Vary") == "Accept-Encoding")
      #expect((answer.header("ETag") == plain.header("ETag")) != accepts)
      #expect(try accepts ? inflated(answer) == plain.body : answer.body == plain.body)
      #expect(accepts ? answer.body.count < plain.body.count / 2 : answer.body.count == plain.body.count)
    }
  }

  @Test func `each form of an asset has its own tag`() async throws {
    try await WebFixture.run { fixture in
      let plain = try #require(try await fixture.get("/assets/tapedeck.css").header("ETag"))
      let gzip = ["Accept-Encoding": "gzip"]
      let compressed = try #require(try await fixture.get("/assets/tapedeck.css", headers: gzip).header("ETag"))
      for (headers, tag, status) in [
        (gzip, compressed, 304), (gzip, plain, 200), ([:], plain, 304), ([:], compressed, 200),
      ] {
        let headers = headers.merging(["If-None-Match": tag]) { $1 }
        #expect(try await fixture.get("/assets/tapedeck.css", headers: headers).status == status)
      }
    }
  }

  @Test func `what holds a secret or words that others chose is not compressed`() async throws {
    try await WebFixture.run { fixture in
      for number in 0..<30 { try await fixture.archive(try fixture.facts("call-\(number)")) }
      // The words of this search and of this ID are then in the access log.
      _ = try await fixture.page("/?q=secret", as: .agentsBrowser)
      _ = try await fixture.get("/play/unknown-call", as: .agentsBrowser, headers: ["Accept": "text/html"])
      let headers = ["Accept": "text/html", "Accept-Encoding": "gzip"]
      for path in [
        "/", "/?q=secret", "/?", "/audit", "/audit?who=secret", "/coverage", "/coverage?source=secret", "/platform",
        "/account", "/quarantine", "/notices", "/play/call-1", "/play/unknown-call", "/unknown", "/login",
      ] {
        let answer = try await fixture.get(path, as: .supervisorsBrowser, headers: headers)
        #expect(answer.header("Content-Encoding") == nil, "\(path)")
      }
      for path in [
        "/api/v1/recordings", "/api/v1/audit", "/api/v1/recordings.csv", "/audio/call-1.mp3", "/audio/call-1/original",
        "/api/v1/openapi.json",
      ] {
        let answer = try await fixture.get(path, as: .supervisor, headers: ["Accept-Encoding": "gzip"])
        #expect(answer.status == 200 && answer.header("Content-Encoding") == nil, "\(path)")
      }
    }
  }

  // MARK: Peaks

  /// Peaks of a call whose two parties speak in turns, in the format of audiowaveform.
  static func peaks(seconds: Int) -> [UInt8] {
    let points = seconds * 100
    var bytes: [UInt8] = []
    bytes.reserveCapacity(24 + points * 4)
    for field in [2, 1, 8000, 80, points, 2] { withUnsafeBytes(of: UInt32(field).littleEndian) { bytes += $0 } }
    var state: UInt64 = 7
    for point in 0..<points {
      for channel in 0..<2 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let speaks = point / 400 % 2 == channel
        let height = Int8(speaks ? 10 + Int(state >> 40) % 80 : Int(state >> 40) % 3)
        bytes += [UInt8(bitPattern: -height), UInt8(bitPattern: height - Int8(state >> 62))]
      }
    }
    return bytes
  }

  @Test func `the peaks of an hour arrive within two seconds at 1.6 Mbit/s`() async throws {
    let peaks = Self.peaks(seconds: 3600)
    #expect(peaks.count > 1_400_000)
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), peaks: peaks)
      let first = try await fixture.get(
        "/audio/r/peaks?points=25", as: .agent, headers: ["Accept-Encoding": "gzip"])
      #expect(first.body.count < 400_000)
      // Even if they could not be compressed at all.
      #expect(try inflated(first).count == 24 + 3600 * 25 * 4)
      let all = try await fixture.get("/audio/r/peaks", as: .agent, headers: ["Accept-Encoding": "gzip"])
      #expect(all.header("Content-Encoding") == "gzip")
      #expect(all.body.count < peaks.count * 2 / 3)
      #expect(try inflated(all) == peaks)
    }
  }

  @Test(arguments: [0, 1, 3, 4, 5, 1000, 20_000, 70_001])
  func `a point of fewer has the lowest and highest value of four`(points: Int) async throws {
    var peaks = Array(Self.peaks(seconds: (points + 99) / 100).prefix(24 + points * 4))
    withUnsafeBytes(of: UInt32(points).littleEndian) { peaks.replaceSubrange(16..<20, with: $0) }
    var expected = peaks.prefix(24)
    expected.replaceSubrange(12..<16, with: [64, 1, 0, 0])
    withUnsafeBytes(of: UInt32((points + 3) / 4).littleEndian) { expected.replaceSubrange(16..<20, with: $0) }
    let values = peaks.dropFirst(24).map { Int8(bitPattern: $0) }
    for first in stride(from: 0, to: points, by: 4) {
      for place in 0..<4 {
        let column = (first..<min(first + 4, points)).map { values[$0 * 4 + place] }
        expected.append(UInt8(bitPattern: (place.isMultiple(of: 2) ? column.min() : column.max()) ?? 0))
      }
    }
    let (stored, wanted) = (peaks, Array(expected))
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), peaks: stored)
      let answer = try await fixture.get("/audio/r/peaks?points=25", as: .agent)
      #expect(answer.body == wanted)
      #expect(answer.header("ETag") != (try await fixture.get("/audio/r/peaks", as: .agent).header("ETag")))
      #expect(try await fixture.get("/audio/r/peaks?points=50", as: .agent).status == 400)
    }
  }

  @Test func `a browser may keep peaks, for one user and one form, and asks each time`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), peaks: Self.peaks(seconds: 60))
      var tags: Set<String> = []
      for path in ["/audio/r/peaks", "/audio/r/peaks?points=25"] {
        for coding in ["gzip", "identity"] {
          let answer = try await fixture.get(path, as: .agentsBrowser, headers: ["Accept-Encoding": coding])
          #expect(answer.header("Cache-Control") == "private, no-cache")
          #expect(answer.header("Vary") == "Accept-Encoding, Authorization, Cookie")
          let tag = try #require(answer.header("ETag"))
          tags.insert(tag)
          let again = try await fixture.get(
            path, as: .agentsBrowser, headers: ["Accept-Encoding": coding, "If-None-Match": tag])
          #expect(again.status == 304 && again.body.isEmpty)
          let other = try await fixture.get(
            path, as: .anonymous, headers: ["Accept-Encoding": coding, "If-None-Match": tag])
          #expect(other.status == 401)
        }
      }
      #expect(tags.count == 4)
    }
  }

  @Test func `peaks that a browser has kept are a view of their recording`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      let tag = try #require(try await fixture.get("/audio/r/peaks", as: .agent).header("ETag"))
      let again = try await fixture.get("/audio/r/peaks", as: .supervisor, headers: ["If-None-Match": tag])
      #expect(again.status == 304)
      #expect(try await fixture.logged(.view).map { $0.actor?.name } == ["token-supervisor", "token-agent"])
    }
  }

  @Test(arguments: [1, 60, 3600])
  func `HEAD of peaks has the length of GET, in each form`(seconds: Int) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), peaks: Self.peaks(seconds: seconds))
      for path in ["/audio/r/peaks", "/audio/r/peaks?points=25"] {
        for headers in [[:], ["Accept-Encoding": "gzip"], ["Accept-Encoding": "gzip", "Range": "bytes=0-9"]] {
          let head = try await fixture.send(.head, path, as: .agent, headers: headers)
          let whole = try await fixture.get(path, as: .agent, headers: headers)
          #expect(head.header("Content-Length").map { Int($0) } == whole.body.count, "\(path) \(headers)")
          #expect(head.status == whole.status && head.header("ETag") == whole.header("ETag"))
        }
      }
    }
  }

  @Test func `a range is one of the peaks as they are stored`() async throws {
    let peaks = Self.peaks(seconds: 60)
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"), peaks: peaks)
      let part = try await fixture.get(
        "/audio/r/peaks", as: .agent, headers: ["Accept-Encoding": "gzip", "Range": "bytes=0-23"])
      #expect(part.status == 206 && part.body == Array(peaks.prefix(24)))
      #expect(part.header("Content-Encoding") == nil)
    }
  }
}
