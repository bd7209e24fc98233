import Foundation
package import Model

/// The address of an S3 bucket and how to reach it.
///
/// Parsed from `s3://BUCKET/PREFIX?…` with these parameters:
///
/// | parameter | default | |
/// | --- | --- | --- |
/// | `region` | `AWS_REGION`; `us-east-1` with an `endpoint` | |
/// | `endpoint` | Amazon's in that region | https; http only on loopback |
/// | `addressing` | `path` with an `endpoint` or when the bucket's name has a dot, otherwise `virtual` | whether the bucket's name is in the path or in the host |
/// | `insecure` | none | `1` allows http beyond loopback; recordings are then sent unencrypted |
package struct S3Settings: Sendable, Equatable {
  /// Where the bucket's name is in a request's URL.
  package enum Addressing: String, Sendable { case path, virtual }

  package let bucket: String
  /// Precedes every key, followed by a slash; may be empty.
  package let prefix: String
  package let region: String
  package let addressing: Addressing
  let endpoint: S3Endpoint

  /// A file with more bytes than this is uploaded in parts.
  package var multipartThreshold: Int64 = 64 << 20
  /// The length of each part but the last; S3 requires at least 5 MiB.
  package var partBytes: Int64 = 16 << 20
  /// An object with more bytes than this is copied in parts; S3 does not copy more in one request.
  package var copyThreshold: Int64 = 5 << 30
  /// The length of each part of a copy but the last.
  package var copyPartBytes: Int64 = 512 << 20
  /// A request without any progress for this long has failed.
  package var stallTimeout: Duration = .seconds(60)

  /// - Parameter region: used when the address has none.
  /// - Throws: `configurationInvalid`, which names `TAPEDECK_STORAGE_URL` but not its value.
  package init(url: String, region defaultRegion: String? = nil) throws(TapedeckError) {
    guard let parts = URLComponents(string: url, encodingInvalidCharacters: false), parts.scheme == "s3",
      parts.user == nil, parts.password == nil, parts.port == nil, parts.fragment == nil
    else {
      throw Self.invalid("must have the form s3://bucket/prefix?region=…, without an access key in it.")
    }
    bucket = try Self.bucket(parts.host ?? "")
    prefix = try Self.prefix(parts.path)
    var parameters = try Self.parameters(parts.queryItems ?? [])

    let isInsecure = parameters.removeValue(forKey: "insecure")
    guard isInsecure == nil || isInsecure == "1" else { throw Self.invalid("may have insecure=1, but no other value.") }
    let given = parameters.removeValue(forKey: "endpoint")
    guard let region = parameters.removeValue(forKey: "region") ?? defaultRegion ?? given.map({ _ in "us-east-1" })
    else {
      throw Self.invalid("needs a region: add ?region=…, or set AWS_REGION.")
    }
    guard (1...64).contains(region.utf8.count), region.utf8.allSatisfy(Self.isPlain) else {
      throw Self.invalid("has a malformed region: use letters, digits and hyphens, as in eu-central-1.")
    }
    self.region = region
    if let given {
      guard let endpoint = S3Endpoint(given, allowsPlain: isInsecure != nil) else {
        throw Self.invalid(
          "has an endpoint that cannot be used: use https://host or https://host:port without a path. "
            + "http is allowed only on loopback, or with insecure=1; recordings are then sent unencrypted.")
      }
      self.endpoint = endpoint
    } else {
      endpoint = S3Endpoint(region: region)
    }
    let addressing = parameters.removeValue(forKey: "addressing")
    switch addressing.map(Addressing.init(rawValue:)) {
    // With a dot in the bucket's name, the host does not match the certificate of `*.s3.….amazonaws.com`.
    case nil: self.addressing = given == nil && !bucket.contains(".") ? .virtual : .path
    case .some(nil): throw Self.invalid("has a malformed addressing: use path or virtual.")
    case .some(.some(let addressing)): self.addressing = addressing
    }
    guard parameters.isEmpty else {
      throw Self.invalid("has an unknown parameter. Known parameters: region, endpoint, addressing, insecure.")
    }
  }

  // MARK: Keys and URLs

  /// The key of something below the prefix.
  func key(_ rest: String) -> String { prefix.isEmpty ? rest : "\(prefix)/\(rest)" }

  /// The URL of a key; of the bucket itself when the key is empty. The path is not percent-encoded.
  package func place(of key: String) -> (origin: String, host: String, path: String) {
    switch addressing {
    case .path:
      let path = key.isEmpty ? "/\(bucket)" : "/\(bucket)/\(key)"
      return ("\(endpoint.scheme)://\(endpoint.authority)", endpoint.authority, path)
    case .virtual:
      let host = "\(bucket).\(endpoint.authority)"
      return ("\(endpoint.scheme)://\(host)", host, "/\(key)")
    }
  }

  // MARK: Reading

  private static func invalid(_ what: String) -> TapedeckError {
    TapedeckError(.configurationInvalid, "TAPEDECK_STORAGE_URL \(what)")
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D: true
    default: false
    }
  }

  /// Amazon's rules for bucket names.
  private static func bucket(_ name: String) throws(TapedeckError) -> String {
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    let isValid =
      (3...63).contains(name.utf8.count)
      && labels.allSatisfy { label in
        label.first != "-" && label.last != "-" && !label.isEmpty
          && label.utf8.allSatisfy { isPlain($0) && !(0x41...0x5A).contains($0) }
      }
    guard isValid else {
      throw invalid("has a malformed bucket: use 3 to 63 lower-case letters, digits, hyphens and dots.")
    }
    return name
  }

  private static func prefix(_ path: String) throws(TapedeckError) -> String {
    var path = path[...]
    if path.hasPrefix("/") { path.removeFirst() }
    if path.hasSuffix("/") { path.removeLast() }
    guard !path.isEmpty else { return "" }
    let isValid =
      path.utf8.count <= 512 && path.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
      && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
    guard isValid else {
      throw invalid("has a malformed prefix: use up to 512 bytes, without empty segments, '.' and '..'.")
    }
    return String(path)
  }

  private static func parameters(_ items: [URLQueryItem]) throws(TapedeckError) -> [String: String] {
    var parameters: [String: String] = [:]
    for item in items {
      guard parameters.updateValue(item.value ?? "", forKey: item.name) == nil else {
        throw invalid("has a parameter twice.")
      }
    }
    return parameters
  }
}

/// The server of an S3 service.
struct S3Endpoint: Sendable, Equatable {
  let scheme: String
  /// The value of `Host`: the host, and the port unless it is the scheme's default.
  let authority: String

  /// Amazon's endpoint of a region.
  init(region: String) {
    scheme = "https"
    authority = "s3.\(region).amazonaws.com" + (region.hasPrefix("cn-") ? ".cn" : "")
  }

  /// Parses `https://host:port`, and `http://` when the host is loopback or `allowsPlain` is true; nil for anything
  /// else.
  init?(_ text: String, allowsPlain: Bool) {
    guard let parts = URLComponents(string: text, encodingInvalidCharacters: false),
      let scheme = parts.scheme?.lowercased(), let host = parts.host.flatMap(hostName),
      parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
      parts.path.isEmpty || parts.path == "/", parts.hasUsablePort
    else { return nil }
    switch scheme {
    case "https": break
    case "http" where allowsPlain || isLoopback(host: host): break
    default: return nil
    }
    self.scheme = scheme
    let name = host.contains(":") ? "[\(host)]" : host
    switch parts.port {
    case nil, scheme == "https" ? 443 : 80: authority = name
    case .some(let port): authority = "\(name):\(port)"
    }
  }
}
