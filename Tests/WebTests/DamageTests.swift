import Catalog
import Foundation
import HummingbirdTesting
import Model
import ObjectStorage
import Testing

/// Damage is shown to readers who may see the recording.
@Suite(.timeLimit(.minutes(5)))
struct DamageTests {
  private func damage(_ id: String, _ fixture: WebFixture) async throws {
    let row = try #require(try await fixture.catalog.recording(try fixture.key(id)))
    try await fixture.catalog.recordDamage(
      [
        Damage(
          recordingID: row.id, key: row.key, files: [DamagedFile(.mp3, .damaged)], code: .objectDamaged,
          hasOriginal: true,
          details: [:])
      ], at: Instant(iso8601: "2026-03-05T10:20:30Z")!, by: .recurringTask)
  }

  @Test func `the list, the page and the API show damage`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("whole"))
      let whole = try await fixture.get("/api/v1/recordings/whole", as: .agent)
      #expect(whole.json["damage"] == nil && whole.json["verifiedAt"] == nil)
      let clean = try await fixture.page("/", as: .agentsBrowser)
      #expect(!clean.text.contains(#"<span class="tag danger">Damaged</span>"#))

      try await fixture.archive(try fixture.facts("hurt"))
      try await damage("hurt", fixture)
      let sentence = "The MP3 is damaged (found on 2026-03-05 at 10:20 UTC)."
      let told = try await fixture.get("/api/v1/recordings/hurt", as: .agent)
      #expect(told.json["damage"] as? String == sentence)
      #expect(told.json["verifiedAt"] as? String == "2026-03-05T10:20:30.000Z")
      #expect(told.json["status"] as? String == "damaged")
      #expect(whole.json["status"] as? String == "ready")
      for (status, ids) in [("ready", ["whole"]), ("damaged", ["hurt"])] {
        let listed = try await fixture.get("/api/v1/recordings?status=\(status)", as: .agent).json["recordings"]
        #expect((listed as? [[String: Any]])?.compactMap { $0["id"] as? String } == ids)
      }
      let list = try await fixture.page("/", as: .agentsBrowser)
      #expect(list.text.contains(#"<span class="tag danger">Damaged</span>"#))
      let page = try await fixture.page("/play/hurt", as: .agentsBrowser)
      #expect(page.status == 200)
      #expect(page.text.contains("The MP3 is damaged (found on <time datetime=\"2026-03-05T10:20:30Z\""))
      #expect(page.text.contains("Damage was last found on <time"))
      #expect(!page.text.contains("last verified") && !page.text.contains("repaired"))
    }
  }

  /// The page of a recording whose damage is this, and what the API answers for its MP3.
  private func page(
    of files: [DamagedFile], missing: [@Sendable (MediaPart) -> ObjectName?] = [],
    _ body: @escaping @Sendable (String, WebFixture) async throws -> Void
  ) async throws {
    try await WebFixture.run(.init(setup: .live)) { fixture in
      try await fixture.archive(try fixture.facts("hurt"))
      let (row, parts) = try #require(try await fixture.catalog.archived(try fixture.key("hurt")))
      for name in missing {
        try FileManager.default.removeItem(atPath: fixture.store.location(of: try #require(name(parts[0]))))
      }
      let damage = Damage(
        recordingID: row.id, key: row.key, files: files, code: .objectMissing, hasOriginal: true, details: [:])
      try await fixture.catalog.recordDamage([damage], at: Instant(iso8601: "2026-03-05T10:20:30Z")!, by: .playback)
      try await body(try await fixture.page("/play/hurt", as: .agentsBrowser).text, fixture)
    }
  }

  private static func offers(_ page: String) -> [String] {
    [
      "src=\"/audio/hurt.mp3\"", "src=\"/audio/hurt/original\"", "data-peaks=", "hurt.mp3?download",
      "original?download",
    ]
    .filter(page.contains)
  }

  @Test func `a page offers only the files that are not known to be damaged`() async throws {
    try await page(of: [DamagedFile(.mp3, .damaged), DamagedFile(.peaks, .missing)]) { page, fixture in
      #expect(Self.offers(page) == ["src=\"/audio/hurt/original\"", "original?download"])
      #expect(page.contains("Original kept") && !page.contains(#"<span class="tag ok">Ready"#))
      let answer = try await fixture.get("/audio/hurt.mp3", as: .agent)
      #expect(answer.status == 503 && answer.code == "object_damaged")
      let detail = answer.json["detail"] as? String
      #expect(detail == "The MP3 is damaged and the waveform is missing (found on 2026-03-05 at 10:20 UTC).")
      #expect(try await fixture.get("/audio/hurt/original", as: .agent).status == 200)
    }
    // The store shows more than what is known.
    try await page(of: [DamagedFile(.mp3, .missing)], missing: [{ $0.original }]) { page, _ in
      #expect(Self.offers(page).isEmpty)
      #expect(!page.contains("Original kept") && !page.contains("id=\"deck\"") && !page.contains("player.js"))
      #expect(page.contains("The recording cannot be played.") && page.contains("damaged or missing"))
    }
    for files in [[], FileKind.allCases.map { DamagedFile($0, .missing) }] {
      try await page(of: files) { page, _ in #expect(Self.offers(page).isEmpty) }
    }
    try await page(of: [DamagedFile(.peaks, .missing)]) { page, _ in
      #expect(Self.offers(page) == ["src=\"/audio/hurt.mp3\"", "hurt.mp3?download", "original?download"])
    }
  }

  @Test func `damage of another file is added to what is known`() async throws {
    try await page(of: [DamagedFile(.original, .missing)], missing: [{ $0.mp3.name }]) { _, fixture in
      let answer = try await fixture.get("/audio/hurt.mp3", as: .agent)
      #expect(answer.status == 503 && answer.code == "object_missing")
      let damage = try await fixture.catalog.recording(try fixture.key("hurt"))?.damage?.sentence
      #expect(damage?.hasPrefix("The original is missing and the MP3 is missing (found on ") == true)
    }
  }

  @Test func `the page of a repaired recording says when it was repaired and verified`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("hurt"))
      try await damage("hurt", fixture)
      let key = try fixture.key("hurt")
      try await fixture.catalog.log([
        LogEntry(
          at: Instant(iso8601: "2026-03-05T11:00:00Z")!, action: .repair, outcome: .allowed, actor: nil, recording: key)
      ])
      let row = try #require(try await fixture.catalog.recording(key))
      try await fixture.catalog.recordVerified([row], at: Instant(iso8601: "2026-03-05T11:00:01Z")!)
      let page = try await fixture.page("/play/hurt", as: .agentsBrowser).text
      let time = { (moment: String) in try Regex("on <time datetime=\"\(moment)\"[^>]*>[^<]*</time>\\.") }
      #expect(page.firstMatch(of: try time("2026-03-05T11:00:00Z")) != nil)
      #expect(page.firstMatch(of: try time("2026-03-05T11:00:01Z")) != nil)
      #expect(
        page.contains("The files were last repaired on <time") && page.contains("The files were last verified on"))
      #expect(!page.contains("Damage was last found"))
    }
  }

  @Test func `damage of a restricted recording is hidden from other readers`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      try await damage("secret", fixture)
      for path in ["/api/v1/recordings", "/api/v1/recordings/secret", "/play/secret"] {
        let answer = try await fixture.get(path, as: .agent)
        #expect(!answer.text.contains("amaged"), "\(path)")
      }
      let list = try await fixture.page("/", as: .agentsBrowser).text
      #expect(!list.contains(">Damaged</span>"))
      // Neither filter tells that it is damaged.
      for (status, isListed) in [("ready", true), ("damaged", false)] {
        let answer = try await fixture.get("/api/v1/recordings?status=\(status)", as: .agent)
        #expect(answer.text.contains("secret") == isListed, "\(status)")
      }
      let told = try await fixture.get("/api/v1/recordings/secret", as: .supervisor)
      #expect(told.json["damage"] != nil)
    }
  }

  @Test func `the access log shows the finding as the server's own`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("hurt"))
      try await damage("hurt", fixture)
      let page = try await fixture.page("/audit?what=verify", as: .supervisorsBrowser)
      #expect(page.text.contains("Found damage") && page.text.contains("Tapedeck"))
    }
  }

  enum Change: CaseIterable { case shorter, longer, otherBytes, empty, link }

  @Test(arguments: Change.allCases, [10, 300_000])
  func `a file that is not the one in the catalog is not played, and its damage is noted`(
    change: Change, bytes: Int
  ) async throws {
    try await WebFixture.run(.init(setup: .live)) { fixture in
      let mp3 = [UInt8](repeating: 7, count: bytes)
      try await fixture.archive(try fixture.facts("hurt"), mp3: mp3)
      let recording = try #require(try await fixture.catalog.archived(try fixture.key("hurt")))
      let path = fixture.store.location(of: recording.parts[0].mp3.name)
      try FileManager.default.removeItem(atPath: path)
      let url = URL(fileURLWithPath: path)
      switch change {
      case .shorter: try Data(mp3.dropLast()).write(to: url)
      case .longer: try Data(mp3 + [7]).write(to: url)
      case .otherBytes: try Data(mp3.dropLast() + [8]).write(to: url)
      case .empty: try Data().write(to: url)
      case .link: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
      }
      let answer = try? await fixture.get("/audio/hurt.mp3", as: .agent)
      // A long file has begun when its hash is known: its end is missing then, so the client gets an error.
      #expect(answer == nil || answer?.code == "object_damaged")
      let row = try #require(try await fixture.catalog.recording(try fixture.key("hurt")))
      #expect(row.damage?.sentence.hasPrefix("The MP3 is damaged (found on ") == true)
      #expect(try await fixture.logged(.verify, .failed).map { $0.details["by"] } == ["playback"])
    }
  }

  @Test(arguments: ["/audio/hurt.mp3", "/audio/hurt/peaks", "/audio/hurt/original"])
  func `a missing file is noted, so that it is repaired`(path: String) async throws {
    try await WebFixture.run(.init(setup: .live)) { fixture in
      try await fixture.archive(try fixture.facts("hurt"))
      let recording = try #require(try await fixture.catalog.archived(try fixture.key("hurt")))
      let part = recording.parts[0]
      let (object, title) =
        switch path.split(separator: "/").last {
        case "peaks": (part.peaks.name, "The waveform")
        case "original": (try #require(part.original), "The original")
        default: (part.mp3.name, "The MP3")
        }
      try FileManager.default.removeItem(atPath: fixture.store.location(of: object))
      for _ in 0..<2 { #expect(try await fixture.get(path, as: .agent).code == "object_missing") }
      let row = try #require(try await fixture.catalog.recording(try fixture.key("hurt")))
      #expect(row.damage?.sentence.hasPrefix("\(title) is missing (found on ") == true)
      let entries = try await fixture.logged(.verify, .failed)
      #expect(entries.count == 1, "The same damage is logged once.")
      #expect(entries.first?.actor == nil && entries.first?.details["by"] == "playback")
    }
  }

  @Test(arguments: [10, 300_000], ["", "bytes=5-", "bytes=-3"])
  func `a file that is truncated while it is open is noted`(bytes: Int, range: String) async throws {
    try await WebFixture.run(.init(setup: .live)) { fixture in
      let mp3 = [UInt8](repeating: 7, count: bytes)
      try await fixture.archive(try fixture.facts("hurt"), mp3: mp3)
      #expect(try await fixture.get("/audio/hurt.mp3", as: .agent).body == mp3)
      let recording = try #require(try await fixture.catalog.archived(try fixture.key("hurt")))
      let path = fixture.store.location(of: recording.parts[0].mp3.name)
      #expect(truncate(path, off_t(bytes / 2)) == 0)
      let headers = range.isEmpty ? [:] : ["Range": range]
      let answer = try? await fixture.get("/audio/hurt.mp3", as: .agent, headers: headers)
      #expect(answer == nil || answer?.code == "object_damaged")
      let row = try #require(try await fixture.catalog.recording(try fixture.key("hurt")))
      #expect(row.damage?.sentence.hasPrefix("The MP3 is damaged (found on ") == true)
      #expect(try await fixture.logged(.verify, .failed).map { $0.details["by"] } == ["playback"])
    }
  }

  @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 200_000])
  func `a whole file is played to its last byte`(bytes: Int) async throws {
    try await WebFixture.run(.init(setup: .live)) { fixture in
      let mp3 = (0..<bytes).map { UInt8(truncatingIfNeeded: $0) }
      try await fixture.archive(try fixture.facts("whole"), mp3: mp3)
      #expect(try await fixture.get("/audio/whole.mp3", as: .agent).body == mp3)
      #expect(try await fixture.catalog.recording(try fixture.key("whole"))?.damage == nil)
    }
  }
}
