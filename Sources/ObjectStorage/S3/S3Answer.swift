import Model
import NIOCore
import NIOHTTP1

/// A response of the S3 service.
struct S3Answer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body = ByteBuffer()

  var isSuccess: Bool { (200..<300).contains(status) }
  var bytes: [UInt8] { Array(body.readableBytesView) }

  /// The text of an element directly below the root; nil when there is none, or the body is not XML.
  ///
  /// - Parameter root: the root's name; nil for any but `Error`, since services name the roots of results differently.
  func text(of element: String, root: String? = nil) -> String? {
    var found: String?
    do {
      try XMLScanner.forEachElement(in: bytes) { path, text throws(XMLScanner.Malformed) in
        guard root.map({ $0 == path[0] }) ?? (path[0] != "Error") else { throw XMLScanner.Malformed() }
        if path.count == 2, path[1] == element, found == nil { found = text }
      }
    } catch { return nil }
    return found
  }

  /// The code of an error; nil when there is none, as in every response to HEAD.
  var errorCode: String? {
    text(of: "Code", root: "Error").flatMap { code in
      // It is logged, so it must not be able to echo what was sent.
      let isPlain = code.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
      return (1...60).contains(code.utf8.count) && isPlain ? code : nil
    }
  }

  /// Whether the object does not exist. A missing bucket is another code; a 404 with another body comes from a proxy in
  /// front of the service.
  var saysMissing: Bool { status == 404 && (errorCode == "NoSuchKey" || hasNoBody) }

  /// Whether the answer to PutObject can mean that the object is stored. It has no document, such as an error or the
  /// page of a proxy; 202 and 203 are not answers of a service that has stored it.
  var isStored: Bool {
    let first = bytes.first { ![0x09, 0x0A, 0x0D, 0x20].contains($0) }
    return [200, 201, 204].contains(status) && (first == nil || !"<{".utf8.contains(first ?? 0))
  }

  /// The MD5 that the ETag may be, in hexadecimal: that of an object that was written whole and is not encrypted.
  var md5: String? {
    let text = headers.first(name: "ETag")?.filter { $0 != "\"" }.lowercased()
    return text.flatMap { $0.wholeMatch(of: /[0-9a-f]{32}/) == nil ? nil : $0 }
  }

  /// Whether the service does not support a header or parameter of the request.
  var saysNotImplemented: Bool { status == 501 || (!isSuccess && errorCode == "NotImplemented") }

  /// Whether the response has no body and announced none.
  private var hasNoBody: Bool {
    body.readableBytes == 0 && ["0", nil].contains(headers.first(name: "Content-Length"))
      && !headers.contains(name: "Transfer-Encoding")
  }

  /// The error that an unexpected response means, also for status 200 with an error in the body.
  func failure(_ what: String, now: Instant) -> TapedeckError {
    let code = errorCode
    let detail =
      "\(what): status \(status)" + (code.map { ", \($0)" } ?? "")
      + (headers.first(name: "x-amz-bucket-region").map { ", the bucket's region is '\($0.prefix(60))'" } ?? "")
      + (headers.first(name: "x-amz-request-id").map { ", request \($0.prefix(60))" } ?? "")
    func failed(_ message: String) -> TapedeckError {
      TapedeckError(.storageFailed, message, detail: detail, retryAfter: retryAfter(now: now))
    }
    let otherPlace =
      "The bucket is in another region or at another endpoint. Check 'region' and 'endpoint' in TAPEDECK_STORAGE_URL."
    return switch code {
    case "RequestTimeTooSkewed":
      failed(
        "The clocks of this machine and the object store differ too much. Synchronize this machine's clock, for example with NTP."
      )
    case "InvalidAccessKeyId": failed("The object store does not know the access key. Check AWS_ACCESS_KEY_ID.")
    case "SignatureDoesNotMatch":
      failed(
        "The object store rejected the signature. Check that AWS_SECRET_ACCESS_KEY and AWS_ACCESS_KEY_ID belong together."
      )
    case "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
      failed("The object store rejected the session token. Check AWS_SESSION_TOKEN: it may have expired.")
    case "NoSuchBucket":
      failed("The object store has no such bucket. Check its name in TAPEDECK_STORAGE_URL, or create it.")
    case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect": failed(otherPlace)
    case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded": full(detail)
    case "NotImplemented":
      failed(
        "The object store does not support a request that Tapedeck needs. 'tapedeck doctor' says which.")
    default:
      switch status {
      case 300..<400: failed(otherPlace)
      case 401, 403:
        failed(
          "The object store denied the request. Check AWS_ACCESS_KEY_ID, and that its permissions are those of "
            + "docs/storage-format.md.")
      case 507: full(detail)
      case 429, 500...: failed("The object store is busy or failing. The request is retried.")
      case 200..<300: failed("The object store sent an answer that cannot be read.")
      default: failed("The object store rejected a request with status \(status). The reason is in the log.")
      }
    }
  }

  private func full(_ detail: String) -> TapedeckError {
    TapedeckError(
      .diskFull, "The object store is full or its quota is used up. Free space; work resumes automatically.",
      detail: detail)
  }

  private func retryAfter(now: Instant) -> Duration? {
    headers.first(name: "Retry-After")
      .flatMap { RetryAfter.delay($0, answeredAt: headers.first(name: "Date"), now: now) }
  }
}
