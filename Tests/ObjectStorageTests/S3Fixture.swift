import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import TestKit

/// A store in the test service's bucket with a new prefix.
struct S3Fixture: Sendable {
  let settings: S3Settings
  let store: S3ObjectStore
  let moto: S3Server.Facts

  /// Configured like the program's client. Never shut down: all tests share it.
  static let client: HTTPClient = {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow, decompression: .disabled)
    configuration.httpVersion = .http1Only
    configuration.connectionPool = .init(idleTimeout: .seconds(30), concurrentHTTP1ConnectionsPerHostSoftLimit: 64)
    // Not every resolver maps `HOST.localhost` to this machine.
    configuration.dnsOverride = ["recordings.localhost": "127.0.0.1"]
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }()

  init(
    prefix: String? = nil, bucket: String? = nil, key: S3Server.Key? = nil,
    copies: (threshold: Int64, part: Int64)? = nil, system: SystemServices = .system
  ) async throws {
    moto = try await S3Server.running().facts
    let prefix = prefix ?? "\(moto.prefix)/\(UUID().uuidString)"
    var settings = try S3Settings(
      url: "s3://\(bucket ?? moto.bucket)/\(prefix)?endpoint=\(moto.endpoint)&region=\(moto.region)")
    settings.multipartThreshold = 8 << 20
    settings.partBytes = 6 << 20
    if let copies { (settings.copyThreshold, settings.copyPartBytes) = copies }
    self.settings = settings
    let key = key ?? moto.key
    store = S3ObjectStore(
      settings: settings, credentials: try S3Credentials(accessKeyID: key.id, secretAccessKey: key.secret),
      client: Self.client, threads: .singleton, system: system)
  }

  /// boto3 with a key that has all permissions.
  var boto: Boto { Boto(endpoint: moto.endpoint, region: moto.region, key: moto.observer) }

  /// Every key below the prefix.
  func names() async throws -> [String] {
    try await boto.answers(to: [
      .init("list_objects_v2", ["Bucket": settings.bucket, "Prefix": settings.prefix])
    ])[0].names
  }

  /// The number of uploads that were neither completed nor aborted.
  func unfinishedUploads() async throws -> Int {
    try await boto.answers(to: [
      .init("list_multipart_uploads", ["Bucket": settings.bucket, "Prefix": settings.prefix])
    ])[0].names.count
  }
}
