import Deflate
import HTTPTypes
import Hummingbird
import NIOCore

extension Request {
  /// Whether the client accepts responses in gzip (RFC 9110, 12.5.3).
  var acceptsGzip: Bool {
    guard let header = headers[.acceptEncoding] else { return false }
    var acceptsAny = false
    for item in header.split(separator: ",") {
      let words = item.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
      guard let coding = words.first else { continue }
      let weight = words.dropFirst().first { $0.hasPrefix("q=") }
      // 0 in any spelling, such as 0.000, refuses the coding.
      let isAccepted = weight?.dropFirst(2).contains { ("1"..."9").contains($0) } ?? true
      if coding == "gzip" || coding == "x-gzip" { return isAccepted }
      if coding == "*" { acceptsAny = isAccepted }
    }
    return acceptsAny
  }
}

extension Route {
  /// Whether the response to a request may be compressed: the page of a route whose text no stranger can choose.
  ///
  /// The length of a compressed response tells whether a text occurs in it twice. Pages hold secrets, such as the token of
  /// their forms and phone numbers, so a page that repeats words of its address is sent as it is (the attack is known as
  /// BREACH).
  func mayCompress(_ request: Request) -> Bool {
    kind == .page && method == .get && request.uri.query == nil && !path.contains("{")
  }
}

extension Response {
  /// The lengths of bodies that are compressed at once: shorter ones fit a packet, longer ones take too much memory.
  private static let compressed = (1 << 10)...(1 << 20)

  /// The response with its body in gzip, if the client accepts that.
  func gzipped(for request: Request) async throws -> Response {
    guard status == .ok, let length = body.contentLength, Self.compressed.contains(length) else { return self }
    var response = self
    response.headers[.vary] = "Accept-Encoding"
    guard request.acceptsGzip else { return response }
    let compressor = BodyCompressor()
    try await body.write(compressor)
    response.headers[.contentEncoding] = "gzip"
    response.body = ResponseBody(byteBuffer: compressor.output)
    return response
  }

  /// Describes a body in gzip of a file with this tag. Ranges and digests would be those of the compressed bytes, which may
  /// differ from one response to the next.
  static func describeGzip(of etag: String, in headers: inout HTTPFields) {
    headers[.contentEncoding] = "gzip"
    headers[.eTag] = gzipTag(of: etag)
    headers[.reprDigest] = nil
    headers[.acceptRanges] = nil
  }

  /// Describes peaks with fewer points than those of a file with this tag.
  static func describeReduced(_ etag: String, in headers: inout HTTPFields) {
    headers[.eTag] = etag.dropLast() + "-reduced\""
    headers[.reprDigest] = nil
    headers[.acceptRanges] = nil
  }

  /// The strong tag of the compressed form of a file.
  static func gzipTag(of etag: String) -> String { etag.dropLast() + "-gzip\"" }
}

/// Compresses a body that is in memory.
private final class BodyCompressor: ResponseBodyWriter {
  private let compressor = GzipCompressor()
  private(set) var output = ByteBuffer()

  @concurrent func write(_ buffer: ByteBuffer) async throws { append(compressor.add(buffer)) }
  @concurrent func finish(_ trailingHeaders: HTTPFields?) async throws { append(compressor.finish()) }

  private func append(_ bytes: ByteBuffer) {
    var bytes = bytes
    output.writeBuffer(&bytes)
  }
}
