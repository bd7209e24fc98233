import CXone
import Foundation
import Logging
import Model
import ObjectStorage
import Pipeline
import TapedeckApp
import Testing
import Web

@Suite struct SettingsTests {
  private static let platform = [
    "CXONE_BASE_URL": "https://platform.example", "CXONE_CLIENT_ID": "client", "CXONE_CLIENT_SECRET": "top secret",
  ]
  private static let bucket = [
    "TAPEDECK_STORAGE_URL": "s3://bucket/prefix?region=eu-central-1", "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "bucket-secret",
  ]

  private func settings(_ environment: [String: String], needsPlatform: Bool = true) async throws -> Settings {
    let reader = try await SettingsReader(flags: [:], file: nil, environment: environment, folder: "/nowhere")
    return try Settings(reader, needsPlatform: needsPlatform, folder: "/nowhere")
  }

  private func failure(_ environment: [String: String], needsPlatform: Bool = true) async -> TapedeckError? {
    do {
      _ = try await settings(environment, needsPlatform: needsPlatform)
      return nil
    } catch { return error as? TapedeckError }
  }

  @Test func `defaults are those of docs/configuration.md`() async throws {
    let settings = try await settings(Self.platform)
    #expect(settings.dataDirectory == "/nowhere/tapedeck-data")
    #expect(settings.listen == Settings.Address(host: "127.0.0.1", port: 8080))
    #expect(settings.metricsListen == nil && settings.publicOrigin == nil && settings.proxies.isEmpty)
    #expect(settings.sources.map(\.id) == [.default])
    #expect(settings.sources.first?.limits.rate == 10 && settings.sources.first?.limits.burst == 20)
    #expect(settings.sources.first?.parallelDownloads == 4 && settings.sources.first?.stallTimeout == .seconds(300))
    #expect(settings.plans == [SyncPlan()])
    #expect(settings.syncs && settings.reviewsPrivacy && settings.ingest.keepsOriginals && !settings.ingest.announces)
    #expect(settings.ingest.waiting.attempts == 15 && settings.ingest.waiting.cap == .seconds(30))
    #expect(settings.scrub.days == 30 && settings.scrub.bytesPerSecond == 20_000_000)
    #expect(settings.minimumFreeBytes == 256 << 20 && settings.conversions >= 1)
    #expect(!settings.requiresSandbox && !settings.allowsMemoryDumps)
    #expect(settings.lease == .seconds(30) && settings.logLevel == .info && settings.logFormat == .json)
    #expect(!settings.deployment.isShared && settings.deployment.storage == nil)
    #expect(settings.secrets == ["top secret"])
  }

  @Test(
    arguments: [
      ("off", nil), ("/tapedeck-objects/", "/tapedeck-objects/"), ("/tapedeck-objects", "/tapedeck-objects"),
      ("/a/b.c_d/", "/a/b.c_d/"), ("/.hidden/", "/.hidden/"), ("/audio-files/", "/audio-files/"),
      ("/x/audio/", "/x/audio/"),
    ] as [(String, String?)])
  func `the path of an internal location is one that a proxy does not pass on`(path: String, read: String?) async throws
  {
    let values = ["TAPEDECK_ACCEL_REDIRECT": path, "TAPEDECK_TRUSTED_PROXIES": "127.0.0.1"]
    #expect(try await settings(Self.platform.merging(values) { $1 }).accelRedirect == read)
  }

  @Test func `nginx sends files only if it is a trusted proxy and the archive is in a folder`() async throws {
    let settings = [
      "TAPEDECK_ACCEL_REDIRECT": "/tapedeck-objects/", "TAPEDECK_TRUSTED_PROXIES": "127.0.0.1",
    ]
    let folder = Self.platform.merging(settings) { $1 }
    #expect(await failure(folder) == nil)
    let error = try #require(await failure(folder.merging(Self.bucket) { $1 }))
    #expect(error.message.hasPrefix("TAPEDECK_ACCEL_REDIRECT needs an archive in a folder"))
  }

  @Test(arguments: [
    ("127.0.0.1:9000", "127.0.0.1:9000", false), ("127.0.0.1:9000", "localhost:9000", false),
    ("localhost:9000", "localhost:9000", false), ("[::1]:9000", "[::1]:9000", false),
    ("0.0.0.0:9000", "127.0.0.1:9000", false), ("127.0.0.1:9000", "0.0.0.0:9000", false),
    ("[::]:9000", "127.0.0.1:9000", false), ("127.0.0.1:9000", "127.0.0.1:9001", true),
    ("127.0.0.1:0", "127.0.0.1:0", true), ("127.0.0.1:9000", "[::1]:9000", true),
    ("0.0.0.0:9000", "[::1]:9000", true),
  ])
  func `metrics have another address than pages`(pages: String, metrics: String, isAccepted: Bool) async {
    var environment = Self.platform
    environment["TAPEDECK_LISTEN"] = pages
    environment["TAPEDECK_METRICS_LISTEN"] = metrics
    environment["TAPEDECK_PUBLIC_URL"] = "https://tapedeck.example"
    let error = await failure(environment)
    #expect((error == nil) == isAccepted)
    if !isAccepted { #expect(error?.message.contains("TAPEDECK_METRICS_LISTEN") == true) }
  }

  @Test(arguments: [
    ("media.example.com", true), ("*.cdn.example.com", true), ("*.cdn.example", true), ("localhost", true),
    ("127.0.0.1", true), ("2001:db8::1", true), ("a.example, b.example", true), ("http://x", false), ("*", false),
    ("*.com", false), ("*.", false), ("*example.com", false), ("a.*.example.com", false), ("x/path", false),
    ("x:443", false), ("a..b", false), ("-a.example", false), ("media.example.com, *", false), ("ü.example", false),
  ])
  func `download hosts are host names`(hosts: String, isAccepted: Bool) async {
    var environment = Self.platform
    environment["CXONE_DOWNLOAD_HOSTS"] = hosts
    let error = await failure(environment)
    #expect((error == nil) == isAccepted, "\(error?.message ?? "accepted")")
    if !isAccepted { #expect(error?.message.contains("CXONE_DOWNLOAD_HOSTS") == true) }
  }

  // MARK: Malformed values

  /// A value that each setting refuses.
  private static let malformed: [Setting: String] = {
    var values: [Setting: String] = [
      .baseURL: "http://canary:canary@platform.example", .sources: "CANARY!", .downloadHosts: "http://canary",
      .waitJitter: "2-1", .listen: "canary:x", .ignoredMembers: "canary,meta.hasMore",
      .issuerURL: "http://canary:canary@issuer.example", .acdURL: "http://canary.example",
      .areaURL: "https://area.example?canary=1", .mediaHosts: "https://canary", .mediaRate: "canary/300s",
    ]
    let settings: [Setting] = [
      .contract, .mediaFirstAsk, .mediaDeadline, .rate, .burst, .searchRate, .metadataRate, .downloadRate, .downloads,
      .stallSeconds, .basicEncoding, .timeZone,
      .syncDirection,
      .syncInterval, .syncOverlap, .syncLookBack, .waitBase, .waitCap, .waitAttempts, .databaseURL,
      .databaseConnections, .storageURL, .metricsListen, .publicURL, .trustedProxies, .originals, .sync, .conversions,
      .accelRedirect, .connections, .connectionsPerAddress, .clientStallSeconds, .streamsPerIdentity, .jobsPerIdentity,
      .leaseSeconds, .minimumFree, .diskRetrySeconds, .verifyDays, .verifyRate, .verifyPrivacy, .logLevel, .logFormat,
      .transcoderSandbox, .memoryDumps,
    ]
    for setting in settings { values[setting] = "canary" }
    let files: [Setting] = [
      .clientSecretFile, .accessKeySecretFile, .webhookSecretFile, .databaseURLFile, .storageSecretFile,
      .signingKeyFile,
    ]
    for setting in files { values[setting] = "/canary" }
    return values
  }()

  /// Settings that are read for the contract `media-playback` only.
  private static let ofMediaPlayback: Set<Setting> = [
    .issuerURL, .acdURL, .areaURL, .mediaHosts, .mediaRate, .mediaFirstAsk, .mediaDeadline, .accessKeySecretFile,
  ]

  /// Chooses the contract that reads a setting, and sets what it requires.
  private static func choose(_ setting: Setting, for source: String? = nil, in environment: inout [String: String]) {
    guard ofMediaPlayback.contains(setting) else { return }
    environment[Setting.contract.variable(for: source)] = "media-playback"
    environment[Setting.accessKeyID.variable(for: source)] = "key"
    if setting != .accessKeySecretFile { environment[Setting.accessKeySecret.variable(for: source)] = "key secret" }
  }

  /// Settings that accept any text, or whose value is checked where it is used.
  private static let unchecked: Set<Setting> = [
    .clientID, .clientSecret, .accessKeyID, .accessKeySecret, .tenantID, .syncAgents, .webhookURL, .webhookSecret,
    .dataDirectory, .storageKeyID,
    .storageSecret, .storageSessionToken, .storageRegion, .signingKey,
  ]

  @Test func `every setting has a test with a malformed value or is known to accept any text`() {
    #expect(Set(Self.malformed.keys).union(Self.unchecked) == Set(Setting.allCases))
    #expect(Self.unchecked.isDisjoint(with: Self.malformed.keys))
  }

  @Test(arguments: malformed.keys.sorted { $0.rawValue < $1.rawValue })
  func `an error names the malformed setting and never its value`(setting: Setting) async throws {
    var environment = Self.platform.merging(Self.bucket) { first, _ in first }
    switch setting {
    case .clientSecretFile: environment["CXONE_CLIENT_SECRET"] = nil
    case .storageSecretFile: environment["AWS_SECRET_ACCESS_KEY"] = nil
    default: break
    }
    environment[setting.variable()] = Self.malformed[setting]
    Self.choose(setting, in: &environment)
    let error = try #require(await failure(environment))
    #expect(error.code == .configurationInvalid && error.code.exitStatus == .configuration)
    #expect(error.message.hasPrefix(setting.variable()))
    #expect(!error.message.lowercased().contains("canary"))
  }

  @Test(arguments: [
    ("CXONE_RATE", "-1"), ("CXONE_RATE", "100001"), ("CXONE_BURST", "0"), ("CXONE_RATE", "nan"),
    ("TAPEDECK_LEASE_SECONDS", "0.4"), ("CXONE_WAIT_JITTER", "1"), ("CXONE_WAIT_JITTER", "0.5-101"),
    ("CXONE_WAIT_JITTER", "-1--1"), ("CXONE_WAIT_JITTER", "0.5--1"), ("CXONE_WAIT_JITTER", "0-0"),
    ("CXONE_WAIT_JITTER", "0x1-0x2"), ("CXONE_WAIT_JITTER", "0.5-1.5-"), ("CXONE_RATE", "0x10"),
    ("TAPEDECK_LISTEN", ":80"), ("TAPEDECK_LISTEN", "127.0.0.1:65536"), ("TAPEDECK_LISTEN", "127.0.0.1"),
    ("TAPEDECK_PUBLIC_URL", "https://x/path"), ("TAPEDECK_PUBLIC_URL", "ftp://x"),
    ("TAPEDECK_PUBLIC_URL", "https://x:99999"), ("TAPEDECK_SOURCES", "default"),
    ("TAPEDECK_DATABASE_URL", "mysql://x"), ("TAPEDECK_ACCEL_REDIRECT", "/"), ("TAPEDECK_ACCEL_REDIRECT", "/a b/"),
    ("TAPEDECK_ACCEL_REDIRECT", "objects/"), ("TAPEDECK_ACCEL_REDIRECT", "/objects/"),
    ("TAPEDECK_ACCEL_REDIRECT", "//evil/"), ("TAPEDECK_ACCEL_REDIRECT", "/../x"), ("TAPEDECK_ACCEL_REDIRECT", "/x/.."),
    ("TAPEDECK_ACCEL_REDIRECT", "/./x/"), ("TAPEDECK_ACCEL_REDIRECT", "/x//"), ("TAPEDECK_ACCEL_REDIRECT", "/audio/"),
    ("TAPEDECK_ACCEL_REDIRECT", "/audio"), ("TAPEDECK_ACCEL_REDIRECT", "/api/objects/"),
    ("TAPEDECK_ACCEL_REDIRECT", "/%61udio/"), ("TAPEDECK_ACCEL_REDIRECT", "OFF"),
  ])
  func `values outside the allowed range are rejected`(name: String, value: String) async throws {
    let error = try #require(await failure(Self.platform.merging([name: value]) { _, new in new }))
    #expect(error.message.hasPrefix(name))
  }

  @Test func `a range and a choice are spelled out`() async {
    let rate = await failure(Self.platform.merging(["CXONE_RATE": "x"]) { _, new in new })
    #expect(rate?.message.hasPrefix("CXONE_RATE must be a number from 0 to 100000. Looked in the flags, ") == true)
    let originals = await failure(Self.platform.merging(["TAPEDECK_ORIGINALS": "x"]) { _, new in new })
    #expect(originals?.message.hasPrefix("TAPEDECK_ORIGINALS must be keep or discard.") == true)
    let direction = await failure(Self.platform.merging(["CXONE_SYNC_DIRECTION": "x"]) { _, new in new })
    #expect(
      direction?.message.hasPrefix("CXONE_SYNC_DIRECTION must be one of outbound, inbound, internal, all.") == true)
  }

  // MARK: Sources

  @Test(arguments: ["CXONE_BASE_URL", "CXONE_CLIENT_ID", "CXONE_CLIENT_SECRET"])
  func `settings of the platform are required only where the platform is needed`(name: String) async throws {
    var environment = Self.platform
    environment[name] = nil
    let error = try #require(await failure(environment))
    #expect(error.message.hasPrefix("\(name) is not set. Looked in the flags, the environment, /nowhere/.env and "))
    #expect(await failure(environment, needsPlatform: false) == nil)
  }

  @Test func `each source has its own settings`() async throws {
    var environment = Self.platform
    environment["TAPEDECK_SOURCES"] = "emea, us-west"
    for name in ["EMEA", "US_WEST"] {
      environment["SOURCE_\(name)_BASE_URL"] = "https://\(name.lowercased().replacing("_", with: "-")).example"
      environment["SOURCE_\(name)_CLIENT_ID"] = "client"
      environment["SOURCE_\(name)_CLIENT_SECRET"] = "secret of \(name)"
    }
    environment["SOURCE_EMEA_RATE"] = "0.4"
    environment["SOURCE_EMEA_TIME_ZONE"] = "Europe/Berlin"
    environment["SOURCE_EMEA_SYNC_DIRECTION"] = "all"
    environment["SOURCE_EMEA_SYNC_AGENTS"] = "1001, 1002"
    environment["CXONE_SYNC_DIRECTION"] = "inbound"
    environment["SOURCE_US_WEST_DOWNLOAD_HOSTS"] = "*.cdn.example,media.example"
    environment["SOURCE_EMEA_IGNORED_MEMBERS"] = "facets, meta.shards"
    let settings = try await settings(environment)
    #expect(settings.sources.map(\.id.rawValue) == ["default", "emea", "us-west"])
    #expect(settings.sources.map(\.limits.rate) == [10, 0.4, 10])
    #expect(settings.sources.map(\.baseURL).last == "https://us-west.example")
    #expect(settings.sources.last?.allowedDownloadHosts == ["*.cdn.example", "media.example"])
    #expect(settings.sources.map(\.ignoredMembers) == [[], ["facets", "meta.shards"], []])
    #expect(settings.plans.map(\.zone.description) == ["UTC", "Europe/Berlin", "UTC"])
    #expect(settings.plans.map(\.filter.direction) == [.inbound, nil, .outbound])
    #expect(settings.plans[1].filter.agentIDs == ["1001", "1002"])
    #expect(settings.secrets == ["top secret", "secret of EMEA", "secret of US_WEST"])
  }

  @Test func `the settings of media-playback have the defaults of docs/configuration.md`() async throws {
    let settings = try await settings([
      "CXONE_CONTRACT": "media-playback", "CXONE_ACCESS_KEY_ID": "key", "CXONE_ACCESS_KEY_SECRET": "key secret",
      "CXONE_CLIENT_ID": "client", "CXONE_CLIENT_SECRET": "client secret",
    ])
    let source = try #require(settings.sources.first)
    guard case .mediaPlayback(let access) = source.contract else {
      Issue.record("the contract is another one")
      return
    }
    #expect(access.issuerURL == "https://cxone.niceincontact.com" && source.baseURL == access.issuerURL)
    #expect(access.acdURL == nil && access.areaURL == nil && access.tenantID == nil)
    #expect(access.rate == MediaRate(requests: 150, seconds: 300))
    #expect(access.waiting == DeadlineSchedule(firstAsk: .seconds(600), deadline: .seconds(172_800)))
    #expect(
      source.allowedDownloadHosts == ["*.amazonaws.com", "*.nice-incontact.com", "*.niceincontact.com"])
    #expect(settings.secrets == ["client secret", "key secret"])
  }

  @Test func `the older sign-in needs no client, but the area or the tenant`() async throws {
    var environment = [
      "CXONE_CONTRACT": "media-playback", "CXONE_ACCESS_KEY_ID": "key", "CXONE_ACCESS_KEY_SECRET": "key secret",
    ]
    let error = try #require(await failure(environment))
    #expect(error.message.contains("CXONE_AREA_URL or CXONE_TENANT_ID must be set"))
    environment["CXONE_AREA_URL"] = "https://na1.nice-incontact.com"
    #expect(await failure(environment) == nil)
    environment["CXONE_CLIENT_ID"] = "client"
    #expect(await failure(environment)?.message.contains("CXONE_CLIENT_SECRET is missing") == true)
  }

  @Test func `an access key is required by media-playback`() async throws {
    let error = try #require(await failure(["CXONE_CONTRACT": "media-playback"]))
    #expect(error.message.hasPrefix("CXONE_ACCESS_KEY_ID and CXONE_ACCESS_KEY_SECRET are not set."))
  }

  @Test(arguments: ["recordings", "nextCursor", "next_cursor", "facets, has-more", "X-Has-More", "meta.isTruncated"])
  func `what says whether a list continues cannot be ignored`(names: String) async throws {
    let error = await failure(Self.platform.merging(["CXONE_IGNORED_MEMBERS": names]) { $1 })
    #expect(error?.message.hasPrefix("CXONE_IGNORED_MEMBERS must not name") == true)
  }

  @Test(arguments: malformed.keys.filter { $0.isPerSource && $0 != .baseURL })
  func `an error names the setting of the source`(setting: Setting) async throws {
    var environment = [
      "TAPEDECK_SOURCES": "emea", "SOURCE_EMEA_BASE_URL": "https://emea.example", "SOURCE_EMEA_CLIENT_ID": "client",
    ]
    if setting != .clientSecretFile { environment["SOURCE_EMEA_CLIENT_SECRET"] = "secret" }
    environment[setting.variable(for: "emea")] = Self.malformed[setting]
    Self.choose(setting, for: "emea", in: &environment)
    let error = try #require(await failure(environment))
    #expect(error.message.hasPrefix("SOURCE_EMEA_"))
    #expect(error.message.hasPrefix(setting.variable(for: "emea")))
  }

  @Test func `without plain CXONE settings there is no default source`() async throws {
    let settings = try await settings([
      "TAPEDECK_SOURCES": "emea", "SOURCE_EMEA_BASE_URL": "https://emea.example", "SOURCE_EMEA_CLIENT_ID": "client",
      "SOURCE_EMEA_CLIENT_SECRET": "secret",
    ])
    #expect(settings.sources.map(\.id.rawValue) == ["emea"])
    #expect(settings.plans.map(\.source.rawValue) == ["emea"])
  }

  // MARK: Listening

  @Test func `a non-loopback address requires an https address`() async throws {
    let open = Self.platform.merging(["TAPEDECK_LISTEN": "0.0.0.0:80"]) { _, new in new }
    let error = try #require(await failure(open))
    #expect(error.message.hasPrefix("TAPEDECK_LISTEN is not a loopback address"))
    #expect(error.message.contains("TAPEDECK_PUBLIC_URL"))
    #expect(await failure(open.merging(["TAPEDECK_PUBLIC_URL": "http://x"]) { _, new in new }) != nil)
    let behindProxy = try await settings(open.merging(["TAPEDECK_PUBLIC_URL": "https://x:8443/"]) { _, new in new })
    #expect(behindProxy.publicOrigin == "https://x:8443")
  }

  @Test(arguments: [("[::1]:80", "::1", 80), ("localhost:0", "localhost", 0), ("127.0.0.1:65535", "127.0.0.1", 65_535)])
  func `addresses may be IPv6 or names`(text: String, host: String, port: Int) async throws {
    let settings = try await settings(Self.platform.merging(["TAPEDECK_LISTEN": text]) { _, new in new })
    #expect(settings.listen == Settings.Address(host: host, port: port))
    #expect(settings.listen.text == text)
  }

  @Test(arguments: ["0.0.0.0:9090", "[::]:9090", "10.0.0.1:9090", "metrics.example:9090"])
  func `metrics beyond loopback require an https address too`(address: String) async throws {
    let open = Self.platform.merging(["TAPEDECK_METRICS_LISTEN": address]) { _, new in new }
    let error = try #require(await failure(open))
    #expect(error.message.hasPrefix("TAPEDECK_METRICS_LISTEN is not a loopback address"))
    #expect(await failure(open.merging(["TAPEDECK_PUBLIC_URL": "http://x"]) { _, new in new }) != nil)
    #expect(await failure(open.merging(["TAPEDECK_PUBLIC_URL": "https://x"]) { _, new in new }) == nil)
  }

  // MARK: Names

  @Test func `all missing settings of a source are named at once`() async throws {
    let message = try #require(await failure([:])).message
    #expect(message.hasPrefix("CXONE_BASE_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET are not set. Looked in "))
  }

  /// Settings that are wrong together, and the beginning of each sentence about them.
  private static let wrongTogether: [(settings: [String: String], sentences: [String])] = [
    (
      ["CXONE_RATE": "x", "TAPEDECK_LISTEN": "here"],
      ["CXONE_RATE must be a number", "TAPEDECK_LISTEN must be a host and a port"]
    ),
    (
      ["CXONE_CLIENT_SECRET": "", "TAPEDECK_LOG_LEVEL": "x", "TAPEDECK_TRUSTED_PROXIES": "x"],
      ["CXONE_CLIENT_SECRET is not set.", "TAPEDECK_LOG_LEVEL must be one of", "TAPEDECK_TRUSTED_PROXIES is malformed"]
    ),
    (
      [
        "CXONE_BASE_URL": "http://platform.example", "CXONE_CLIENT_ID": "",
        "TAPEDECK_STORAGE_URL": "s3://bucket?region=x",
      ],
      [
        "CXONE_BASE_URL must be an https URL", "CXONE_CLIENT_ID is not set.",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.",
      ]
    ),
    (
      ["QM_WEBHOOK_SECRET_FILE": "/absent", "CXONE_WAIT_JITTER": "9", "TAPEDECK_DATABASE_URL": "mysql://x"],
      [
        "QM_WEBHOOK_SECRET_FILE names a file", "CXONE_WAIT_JITTER must be two factors",
        "TAPEDECK_DATABASE_URL must be an address",
      ]
    ),
    (
      ["TAPEDECK_LISTEN": "0.0.0.0:80", "TAPEDECK_METRICS_LISTEN": "0.0.0.0:81"],
      ["TAPEDECK_LISTEN is not a loopback", "TAPEDECK_METRICS_LISTEN is not a loopback"]
    ),
  ]

  @Test(arguments: wrongTogether)
  func `one error names every wrong setting`(settings: [String: String], sentences: [String]) async throws {
    let message = try #require(await failure(Self.platform.merging(settings) { _, new in new })).message
    #expect(message.hasPrefix("\(sentences.count) settings are invalid. "))
    for sentence in sentences { #expect(message.contains(" \(sentence)"), "\(message)") }
    #expect(message.components(separatedBy: "Looked in ").count == 2, "The places are named once.")
  }

  @Test func `a wrong public address is not also reported as a missing one`() async throws {
    let message = try #require(
      await failure(
        Self.platform.merging(["TAPEDECK_LISTEN": "0.0.0.0:80", "TAPEDECK_PUBLIC_URL": "https://x/path"]) { _, new in
          new
        })
    ).message
    #expect(message.hasPrefix("TAPEDECK_PUBLIC_URL must be"))
    #expect(!message.contains("TAPEDECK_LISTEN"))
  }

  @Test(arguments: [
    ("TAPEDECK_LISTN", "TAPEDECK_LISTEN"), ("TAPEDECK_DATADIR", "TAPEDECK_DATA_DIR"),
    ("CXONE_BASEURL", "CXONE_BASE_URL"),
    ("QM_WEBHOOK_SECERT", "QM_WEBHOOK_SECRET"), ("TAPEDECK_PUBLIC_URI", "TAPEDECK_PUBLIC_URL"),
    ("CXONE_CLIENT_IDS", "CXONE_CLIENT_ID"),
  ])
  func `a name with a typing error is noticed`(name: String, meant: String) async throws {
    let settings = try await settings(Self.platform.merging([name: "x"]) { _, new in new })
    #expect(settings.unknown.map(\.sentence) == ["\(name) is not a setting; did you mean \(meant)?"])
  }

  @Test(arguments: ["TAPEDECK_BINARY", "TAPEDECK_TRANSCODER", "CXONE_TOKEN", "PATH", "LISTEN"])
  func `other names in the environment are not reported`(name: String) async throws {
    #expect(try await settings(Self.platform.merging([name: "x"]) { _, new in new }).unknown.isEmpty)
  }

  @Test func `a typing error in a missing setting is part of the error`() async throws {
    var environment = Self.platform
    environment["CXONE_CLIENT_ID"] = nil
    environment["CXONE_CLIENTID"] = "client"
    let message = try #require(await failure(environment)).message
    #expect(message.hasPrefix("CXONE_CLIENT_ID is not set."))
    #expect(
      message.components(separatedBy: "CXONE_CLIENTID is not a setting; did you mean CXONE_CLIENT_ID?").count == 2,
      "It is reported once: \(message)")
  }

  @Test(arguments: [
    ["CXONE_BASE_URL": "http://1.2.3.4"], ["TAPEDECK_LISTEN": "nowhere"], ["TAPEDECK_SYNC": "maybe"],
    ["CXONE_BASE_URL": "http://1.2.3.4", "TAPEDECK_SYNC": "maybe"],
  ])
  func `a typing error is part of the error about another setting`(wrong: [String: String]) async throws {
    let environment = Self.platform.merging(wrong) { $1 }.merging(["TAPEDECK_DATADIR": "x"]) { $1 }
    let message = try #require(await failure(environment)).message
    for name in wrong.keys { #expect(message.contains("\(name) "), "\(message)") }
    let sentence = "TAPEDECK_DATADIR is not a setting; did you mean TAPEDECK_DATA_DIR?"
    #expect(message.components(separatedBy: sentence).count == 2, "It is reported once: \(message)")
    #expect(message.hasPrefix("2 settings are invalid.") == (wrong.count == 2), "\(message)")
  }

  // MARK: Starting

  private static let startable: [[String: String]] = [
    [:], ["QM_WEBHOOK_URL": "https://qm.example/hook"],
    [
      "QM_WEBHOOK_URL": "https://qm.example/hook", "QM_WEBHOOK_SECRET": "whsec_" + String(repeating: "QUJD", count: 10),
    ],
    ["QM_WEBHOOK_SECRET": "unused without an address"],
  ]
  private static let unstartable: [[String: String]] = [
    ["QM_WEBHOOK_URL": "ftp://qm.example"], ["QM_WEBHOOK_URL": "https://user:canary@qm.example"],
    ["QM_WEBHOOK_URL": "https://qm.example", "QM_WEBHOOK_SECRET": "canary"],
    ["QM_WEBHOOK_URL": "https://qm.example", "TAPEDECK_DATABASE_URL": "postgres://host/db"],
    ["TAPEDECK_SIGNING_KEY": "canary"],
  ]

  @Test(arguments: startable)
  func `a server starts with valid settings`(more: [String: String]) async throws {
    try await settings(Self.platform.merging(more) { _, new in new }).requireStartable()
  }

  @Test(arguments: unstartable)
  func `a server does not start with unusable secrets and addresses`(more: [String: String]) async throws {
    let settings = try await settings(Self.platform.merging(more) { _, new in new })
    let error = #expect(throws: TapedeckError.self) { try settings.requireStartable() }
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.contains("canary") == false)
  }

  @Test func `one error names every reason why a server does not start`() async throws {
    let wrong = ["QM_WEBHOOK_URL": "https://qm.example", "QM_WEBHOOK_SECRET": "x", "TAPEDECK_SIGNING_KEY": "x"]
    let settings = try await settings(Self.platform.merging(wrong) { _, new in new })
    let error = #expect(throws: TapedeckError.self) { try settings.requireStartable() }
    #expect(error?.message.hasPrefix("2 settings are invalid. QM_WEBHOOK_SECRET ") == true, "\(error?.message ?? "")")
    #expect(error?.message.contains(" TAPEDECK_SIGNING_KEY (or ") == true)
  }

  @Test func `disks are watched only for what is stored in the data directory`() async throws {
    func watched(_ more: [String: String]) async throws -> [String] {
      let settings = try await settings(Self.platform.merging(more) { _, new in new })
      return settings.deployment.localFolders(settings.directory).map(\.holds)
    }
    let database = ["TAPEDECK_DATABASE_URL": "postgres://host/db"]
    #expect(try await watched([:]) == ["spool", "objects", "catalog"])
    #expect(try await watched(Self.bucket) == ["spool", "catalog"])
    #expect(try await watched(database) == ["spool", "objects"])
    #expect(try await watched(Self.bucket.merging(database) { first, _ in first }) == ["spool"])
  }

  // MARK: Deployment

  @Test func `a shared database and a bucket are read with their secrets`() async throws {
    let shared = Self.platform.merging(Self.bucket) { _, new in new }
      .merging(["TAPEDECK_DATABASE_URL": "postgres://user:p%40ss@host/db"]) { _, new in new }
    let deployment = try await settings(shared).deployment
    #expect(deployment.isShared && deployment.databaseConnections == 8)
    #expect(deployment.storage?.settings.bucket == "bucket" && deployment.storage?.settings.prefix == "prefix")
    #expect(deployment.secrets == ["postgres://user:p%40ss@host/db", "p%40ss", "p@ss", "bucket-secret"])
    #expect(throws: Never.self) { try deployment.requireShared(for: "worker") }
  }

  @Test(arguments: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
  func `a bucket requires an access key`(name: String) async throws {
    var environment = Self.platform.merging(Self.bucket) { _, new in new }
    environment[name] = nil
    #expect(await failure(environment)?.message.hasPrefix("\(name) is not set.") == true)
  }

  @Test func `an additional node requires a shared database and bucket`() async throws {
    let alone = try await settings(Self.platform).deployment
    let database = try await settings(
      Self.platform.merging(["TAPEDECK_DATABASE_URL": "postgres://host/db"]) { _, new in new }
    ).deployment
    for (deployment, missing) in [(alone, "TAPEDECK_DATABASE_URL"), (database, "TAPEDECK_STORAGE_URL")] {
      let error = #expect(throws: TapedeckError.self) { try deployment.requireShared(for: "worker") }
      #expect(error?.code == .configurationInvalid)
      #expect(error?.message.hasPrefix("'worker' shares") == true && error?.message.contains(missing) == true)
    }
  }
}
