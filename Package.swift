// swift-tools-version: 6.2

import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let mustache = Target.Dependency.product(name: "Mustache", package: "swift-mustache")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
  name: "tapedeck",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "tapedeck", targets: ["tapedeck"]),
    .executable(name: "tapedeck-transcoder", targets: ["tapedeck-transcoder"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
    .package(
      url: "https://github.com/apple/swift-configuration.git", exact: "1.4.0", traits: [.defaults, "YAML"]),
    .package(url: "https://github.com/apple/swift-crypto.git", exact: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types.git", exact: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics.git", exact: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", exact: "2.37.6"),
    .package(url: "https://github.com/apple/swift-system.git", exact: "1.8.1"),
    .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird.git", exact: "2.28.1"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache.git", exact: "2.1.1"),
    .package(url: "https://github.com/swift-server/async-http-client.git", exact: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", exact: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess.git", exact: "1.0.2"),
  ],
  targets: [
    // MARK: Nouns and pure rules
    .target(name: "Model", swiftSettings: strict),
    .target(name: "TransparencyLog", dependencies: [crypto], swiftSettings: strict),

    .target(
      name: "HTTPTransport", dependencies: ["Model", asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL],
      swiftSettings: strict),

    .systemLibrary(name: "CProcess"),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "Deflate", dependencies: ["CZlib", nioCore], swiftSettings: strict),

    // MARK: Adapters; none imports another
    .target(
      name: "CXone",
      dependencies: ["Model", "HTTPTransport", "Deflate", asyncHTTPClient, nioCore, nioHTTP1, logging, metrics],
      swiftSettings: strict),
    .target(
      name: "Audio", dependencies: ["Model", "CTranscoder", systemPackage], swiftSettings: strict),
    // The messages of tapedeck-transcoder, which only Audio talks to.
    .systemLibrary(name: "CTranscoder"),
    .target(
      name: "ObjectStorage",
      dependencies: [
        "Model", "HTTPTransport", asyncHTTPClient, crypto, nioCore, nioHTTP1, nioPosix, systemPackage,
      ],
      swiftSettings: strict),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
    .target(
      name: "Catalog", dependencies: ["Model", "CPostgres", crypto, .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: strict),
    .target(
      name: "Webhooks", dependencies: ["Model", "HTTPTransport", asyncHTTPClient, crypto, nioCore, nioHTTP1],
      swiftSettings: strict),
    .target(name: "Observability", dependencies: ["Model", logging, coreMetrics], swiftSettings: strict),

    // Knows where FFmpeg's headers and libraries are; all of them are in one place.
    .systemLibrary(
      name: "CFFmpeg", pkgConfig: "libavformat",
      providers: [.apt(["libavformat-dev", "libavcodec-dev", "libswresample-dev", "libavutil-dev"])]),
    .executableTarget(
      name: "tapedeck-transcoder", dependencies: ["CFFmpeg"], path: "Sources/Transcoder",
      cSettings: [
        .define("_GNU_SOURCE"), .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
      ],
      linkerSettings: [
        .linkedLibrary("avformat"), .linkedLibrary("avcodec"), .linkedLibrary("swresample"), .linkedLibrary("avutil"),
        .linkedLibrary("m"),
      ]),

    // MARK: What the adapters are put together to
    .target(
      name: "Access",
      dependencies: [
        "Model", "Catalog", crypto, .product(name: "CryptoExtras", package: "swift-crypto"),
      ],
      resources: [.embedInCode("Resources")],
      swiftSettings: strict),
    .target(
      name: "Pipeline",
      dependencies: [
        "Model", "Catalog", "ObjectStorage", "Audio", "CXone", "Webhooks", coreMetrics, crypto, logging, metrics,
        nioCore, nioPosix, serviceLifecycle, systemPackage,
      ],
      swiftSettings: strict),
    .target(
      name: "Web",
      dependencies: [
        "Model", "Access", "Catalog", "Deflate", "ObjectStorage",
        .product(name: "HummingbirdCore", package: "hummingbird"), coreMetrics, crypto, hummingbird, httpTypes, logging,
        metrics, mustache, nioCore, nioHTTP1, serviceLifecycle,
      ],
      resources: [.embedInCode("Resources")],
      swiftSettings: strict),
    .target(
      name: "Sandbox",
      dependencies: [
        "Model", hummingbird, httpTypes, logging, nioCore, serviceLifecycle, subprocess, systemPackage,
      ],
      swiftSettings: strict),

    // MARK: The program
    .target(
      name: "TapedeckApp",
      dependencies: [
        "Model", "TransparencyLog", "HTTPTransport", "CXone", "Audio", "ObjectStorage", "Catalog", "Webhooks",
        "Observability", "Access",
        "Pipeline", "Web", "Sandbox", "CProcess",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        asyncHTTPClient, coreMetrics, httpTypes, hummingbird, logging, metrics, nioCore, nioPosix, nioHTTP1,
        serviceLifecycle, systemPackage,
      ],
      swiftSettings: strict),

    .executableTarget(name: "tapedeck", dependencies: ["TapedeckApp"], swiftSettings: strict),

    // MARK: Measuring
    .executableTarget(
      name: "CatalogBench",
      dependencies: [
        "Catalog", "Model", "TestKit", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "bench/CatalogBench", swiftSettings: strict),
    .executableTarget(
      name: "BareHandler", dependencies: [hummingbird, httpTypes, nioCore], path: "bench/BareHandler",
      swiftSettings: strict),

    // MARK: Tests
    .target(
      name: "TestKit",
      dependencies: ["Catalog", "Model", "CPostgres", logging, nioCore, nioPosix],
      path: "Tests/TestKit", exclude: ["Services"], swiftSettings: strict),
    .testTarget(name: "ModelTests", dependencies: ["Model", "TestKit"], swiftSettings: strict),
    .testTarget(name: "TransparencyLogTests", dependencies: ["TransparencyLog"], swiftSettings: strict),
    .testTarget(
      name: "HTTPTransportTests",
      dependencies: ["HTTPTransport", "Model", "TestKit", asyncHTTPClient, nioCore, nioHTTP1, nioPosix, nioSSL],
      swiftSettings: strict),
    .testTarget(
      name: "CXoneTests",
      dependencies: ["CXone", "Model", "TestKit", asyncHTTPClient, logging, nioCore, nioHTTP1],
      swiftSettings: strict),
    .testTarget(
      name: "AudioTests", dependencies: ["Audio", "Model", "TestKit", systemPackage], swiftSettings: strict),
    .testTarget(
      name: "WebhooksTests",
      dependencies: ["Webhooks", "Model", "TestKit", asyncHTTPClient],
      swiftSettings: strict),
    .testTarget(
      name: "ObservabilityTests", dependencies: ["Observability", "Model", logging, metrics, coreMetrics],
      swiftSettings: strict),
    .testTarget(
      name: "ObjectStorageTests",
      dependencies: ["ObjectStorage", "Model", "TestKit", asyncHTTPClient, crypto, nioCore, nioPosix, systemPackage],
      exclude: ["boto.py"], swiftSettings: strict),
    .testTarget(name: "ConformanceTests", dependencies: ["Model", "ObjectStorage", crypto], swiftSettings: strict),
    .testTarget(name: "CatalogTests", dependencies: ["Catalog", "Model", "TestKit", crypto], swiftSettings: strict),
    .testTarget(name: "AccessTests", dependencies: ["Access", "Catalog", "Model", "TestKit"], swiftSettings: strict),
    .testTarget(
      name: "PipelineTests",
      dependencies: [
        "Pipeline", "Audio", "Catalog", "CXone", "Model", "ObjectStorage", "Sandbox", "Webhooks", "TestKit",
        asyncHTTPClient, crypto, hummingbird, logging, nioCore, nioPosix, serviceLifecycle, systemPackage,
      ],
      swiftSettings: strict),
    .testTarget(
      name: "WebTests",
      dependencies: [
        "Web", "Access", "Catalog", "Deflate", "Model", "ObjectStorage", "TestKit", crypto, httpTypes, hummingbird,
        logging, nioCore,
        nioHTTP1, nioPosix, .product(name: "NIOEmbedded", package: "swift-nio"), systemPackage,
        .product(name: "HummingbirdTesting", package: "hummingbird"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TapedeckAppTests",
      dependencies: [
        "TapedeckApp", "Model", "CXone", "ObjectStorage", "Catalog", "Pipeline", "Web", "TestKit", logging, nioPosix,
        systemPackage, .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SandboxTests",
      dependencies: [
        "Sandbox", "Model", "TestKit", asyncHTTPClient, httpTypes, nioCore, nioHTTP1, hummingbird, logging,
        .product(name: "HummingbirdTesting", package: "hummingbird"),
      ],
      swiftSettings: strict),
  ]
)

// Built by `make soak SUITE=parsers` only, because it needs libFuzzer: `swift build --sanitize fuzzer`.
if Context.environment["TAPEDECK_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz-parsers", dependencies: ["Audio", "Model"], path: "Tests/Fuzz",
      exclude: ["pytest.ini", "test_parsers.py"],
      swiftSettings: strict))
}
