import Foundation
package import Model

/// Where an object store is and how it is spoken to.
///
/// Read from one address, `s3://BUCKET/PREFIX?…`, with these parameters:
///
/// | parameter | default | |
/// | --- | --- | --- |
/// | `region` | `AWS_REGION`; `us-east-1` at an `endpoint` of its own | |
/// | `endpoint` | Amazon's in that region | https, or http on loopback |
/// | `addressing` | `path` at an `endpoint` of its own or when the bucket has a dot, else `virtual` | whether the bucket stands in the path or in the host |
/// | `insecure` | none | `1` allows http beyond loopback: recordings then travel in clear |
package struct S3Settings: Sendable, Equatable {
  /// Where the bucket stands in a request's address.
  package enum Addressing: String, Sendable { case path, virtual }

  package let bucket: String
  /// Stands before every name, with a slash between; empty for none.
  package let prefix: String
  package let region: String
  package let addressing: Addressing
  let endpoint: S3Endpoint

  /// A file with more bytes than this goes in parts.
  package var multipartThreshold: Int64 = 64 << 20
  /// The length of each part but the last; S3 asks for 5 MiB at least.
  package var partBytes: Int64 = 16 << 20
  /// An object with more bytes than this is copied in parts; S3 copies no more at once.
  package var copyThreshold: Int64 = 5 << 30
  /// The length of each part of a copy but the last.
  package var copyPartBytes: Int64 = 512 << 20
  /// Without a sign of life for so long, a request has failed.
  package var stallTimeout: Duration = .seconds(60)

  /// - Parameter region: used where the address names none.
  /// - Throws: `configurationInvalid`, which names `TAPEDECK_STORAGE_URL` and never shows its value.
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
    guard isInsecure == nil || isInsecure == "1" else { throw Self.invalid("may say insecure=1 and nothing else.") }
    let given = parameters.removeValue(forKey: "endpoint")
    guard let region = parameters.removeValue(forKey: "region") ?? defaultRegion ?? given.map({ _ in "us-east-1" })
    else {
      throw Self.invalid("needs a region: add ?region=…, or set AWS_REGION.")
    }
    guard (1...64).contains(region.utf8.count), region.utf8.allSatisfy(Self.isPlain) else {
      throw Self.invalid("has a malformed region: it is letters, digits and hyphens, as in eu-central-1.")
    }
    self.region = region
    if let given {
      guard let endpoint = S3Endpoint(given, allowsPlain: isInsecure != nil) else {
        throw Self.invalid(
          "has an endpoint that cannot be used: it is https://host or https://host:port without a path. "
            + "http is for loopback alone, unless the address says insecure=1; recordings then travel in clear.")
      }
      self.endpoint = endpoint
    } else {
      endpoint = S3Endpoint(region: region)
    }
    let addressing = parameters.removeValue(forKey: "addressing")
    switch addressing.map(Addressing.init(rawValue:)) {
    // With a dot in the bucket's name, the host does not match the certificate of `*.s3.….amazonaws.com`.
    case nil: self.addressing = given == nil && !bucket.contains(".") ? .virtual : .path
    case .some(nil): throw Self.invalid("has a malformed addressing: it is path or virtual.")
    case .some(.some(let addressing)): self.addressing = addressing
    }
    guard parameters.isEmpty else {
      throw Self.invalid("has an unknown parameter. There are region, endpoint, addressing and insecure.")
    }
  }

  // MARK: Names and places

  /// The name of something below the prefix.
  func name(_ rest: String) -> String { prefix.isEmpty ? rest : "\(prefix)/\(rest)" }

  /// Where a request for a name goes; an empty name is the bucket itself. The path is decoded.
  package func place(of name: String) -> (origin: String, host: String, path: String) {
    switch addressing {
    case .path:
      let path = name.isEmpty ? "/\(bucket)" : "/\(bucket)/\(name)"
      return ("\(endpoint.scheme)://\(endpoint.authority)", endpoint.authority, path)
    case .virtual:
      let host = "\(bucket).\(endpoint.authority)"
      return ("\(endpoint.scheme)://\(host)", host, "/\(name)")
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

  /// The rules that Amazon has for names of buckets.
  private static func bucket(_ name: String) throws(TapedeckError) -> String {
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    let isValid =
      (3...63).contains(name.utf8.count)
      && labels.allSatisfy { label in
        label.first != "-" && label.last != "-" && !label.isEmpty
          && label.utf8.allSatisfy { isPlain($0) && !(0x41...0x5A).contains($0) }
      }
    guard isValid else {
      throw invalid("has a malformed bucket: it is 3 to 63 small letters, digits, hyphens and dots.")
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
      throw invalid("has a malformed prefix: it is up to 512 bytes, without empty segments, '.' and '..'.")
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
