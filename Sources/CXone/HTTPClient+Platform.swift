package import AsyncHTTPClient
import NIOCore

extension HTTPClient.Configuration {
  /// How the one client of the program must be set up for this adapter to be right.
  ///
  /// - HTTP/1.1 alone: HTTP/2 took 40 times as long for large bodies and four times the memory.
  /// - No redirects: a token must not travel to another host; the one redirect of a download is followed by us.
  /// - No read time-out: it would also run while we are the ones who do not read; `SourceSettings` has the limits.
  /// - More connections per host than requests under way, so that a call never waits behind downloads: three sources of
  ///   one host may do 256 downloads each, as many as the settings allow.
  package static var platform: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow, timeout: Timeout(connect: .seconds(10)), decompression: .disabled)
    configuration.httpVersion = .http1Only
    configuration.connectionPool = ConnectionPool(
      idleTimeout: .seconds(30), concurrentHTTP1ConnectionsPerHostSoftLimit: 1024)
    return configuration
  }
}
