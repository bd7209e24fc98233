import Model
import NIOCore
import NIOHTTP1

/// An answer of the object store.
struct S3Answer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body = ByteBuffer()

  var isSuccess: Bool { (200..<300).contains(status) }
  var bytes: [UInt8] { Array(body.readableBytesView) }

  /// The short name of an error; nil where there is none, as in every answer to HEAD.
  var errorCode: String? {
    S3Word.read("Code", of: "Error", in: bytes).flatMap { code in
      // It goes to the log, and nothing that could echo what we sent.
      let isPlain = code.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
      return (1...60).contains(code.utf8.count) && isPlain ? code : nil
    }
  }

  /// Whether it says that there is no object of that name, and not that there is no bucket. A 404 with other words is
  /// that of something that stands before the store.
  var saysMissing: Bool { status == 404 && (errorCode == "NoSuchKey" || hasNoBody) }

  /// Whether none came, and none was announced that broke off.
  private var hasNoBody: Bool {
    body.readableBytes == 0 && ["0", nil].contains(headers.first(name: "Content-Length"))
      && !headers.contains(name: "Transfer-Encoding")
  }

  /// What an answer means that is not what was hoped for; also for one of status 200 with an error in its body.
  func failure(_ what: String, now: Instant) -> TapedeckError {
    let code = errorCode
    let detail =
      "\(what): status \(status)" + (code.map { ", \($0)" } ?? "")
      + (headers.first(name: "x-amz-bucket-region").map { ", the bucket's region is '\($0.prefix(60))'" } ?? "")
      + (headers.first(name: "x-amz-request-id").map { ", request \($0.prefix(60))" } ?? "")
    func failed(_ message: String) -> TapedeckError {
      TapedeckError(.storageFailed, message, detail: detail, retryAfter: retryAfter(now: now))
    }
    return switch code {
    case "RequestTimeTooSkewed":
      failed(
        "The clock of this machine and that of the object store are too far apart. Set this one right, best by NTP.")
    case "InvalidAccessKeyId": failed("The object store does not know our access key. Check AWS_ACCESS_KEY_ID.")
    case "SignatureDoesNotMatch":
      failed(
        "The object store refused our signature. Check AWS_SECRET_ACCESS_KEY, and that AWS_ACCESS_KEY_ID belongs to it."
      )
    case "InvalidToken", "ExpiredToken", "TokenRefreshRequired":
      failed("The object store refused our session token. Check AWS_SESSION_TOKEN: it may have run out.")
    case "NoSuchBucket":
      failed("The object store has no such bucket. Check its name in TAPEDECK_STORAGE_URL, or make it.")
    case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect":
      failed("The bucket is somewhere else. Check 'region' and 'endpoint' in TAPEDECK_STORAGE_URL.")
    case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded": full(detail)
    case "NotImplemented":
      failed("The object store does not know a kind of request that we need; conditional writes are the newest.")
    default:
      switch status {
      case 300..<400: failed("The bucket is somewhere else. Check 'region' and 'endpoint' in TAPEDECK_STORAGE_URL.")
      case 401, 403:
        failed(
          "The object store does not allow this. Check AWS_ACCESS_KEY_ID, and that its permissions are those of "
            + "docs/storage-format.md.")
      case 507: full(detail)
      case 429, 500...: failed("The object store is too busy or unwell. It is tried again.")
      case 200..<300: failed("The object store gave an answer that cannot be understood.")
      default: failed("The object store refused a request with status \(status). The reason is in the log.")
      }
    }
  }

  private func full(_ detail: String) -> TapedeckError {
    TapedeckError(
      .diskFull, "The object store is full or its quota is used up. Make room; work goes on by itself afterwards.",
      detail: detail)
  }

  private func retryAfter(now: Instant) -> Duration? {
    headers.first(name: "Retry-After")
      .flatMap { RetryAfter.delay($0, answeredAt: headers.first(name: "Date"), now: now) }
  }
}
