/// A fault: what goes wrong, where, and how often. Its JSON form is the body of `POST /sandbox/faults`.
package struct FaultRule: Sendable, Equatable, Codable {
  /// The kinds of faults. Raw values are the names in JSON and on the command line.
  package enum Fault: String, Sendable, Codable, CaseIterable {
    /// 429, with `retryAfter` as `Retry-After` if given.
    case rateLimited = "rate-limited"
    /// `status` (500), with `retryAfter` as `Retry-After` if given.
    case serverError = "server-error"
    /// 401 although the token is valid.
    case lapsedToken = "lapsed-token"
    /// 403, as if the token lacked the scope.
    case scopeMissing = "scope-missing"
    /// 403 because of the recording's privacy.
    case privacyRefused = "privacy-refused"
    /// 404.
    case gone
    /// The correct response after `delay` seconds.
    case delayed
    /// The metadata says `processing` although the recording is available.
    case statusFlap = "status-flap"
    /// The connection is closed after `afterBytes` (default half) of the body, without a last chunk.
    case cut
    /// As `cut`; afterwards the file has other bytes, another tag and another size.
    case changedFile = "changed-file"
    /// The body stops after `afterBytes` (default half), until the client disconnects or `delay` (default 600) seconds
    /// pass.
    case stalledBody = "stalled-body"
    /// The body is sent at `bytesPerSecond` (default 64,000).
    case slow
    /// 200 with the complete file for every range request, chunked and without a length.
    case noRanges = "no-ranges"
    /// 206 from byte 0 without `Content-Range`.
    case strippedContentRange = "stripped-content-range"
    /// 206 from a later byte without `Content-Range`.
    case noContentRangeResume = "no-content-range-resume"
    /// 206 from a later byte with a malformed `Content-Range`.
    case brokenContentRange = "broken-content-range"
    /// A later range starts 1000 bytes after the requested one.
    case wrongStart = "wrong-start"
    /// A later range starts 1000 bytes before the requested one.
    case earlyStart = "early-start"
    /// A later range has another tag, but the same bytes and size.
    case wrongETag = "wrong-etag"
    /// The tag is weak.
    case weakETag = "weak-etag"
    /// There is no tag.
    case noETag = "no-etag"
    /// A 206 with `Content-Encoding: gzip` although it is not compressed.
    case contentEncoding = "content-encoding"
    /// 200 with an error page instead of audio; `variant` is `html`, `json`, `html-as-audio` or `json-as-audio`.
    case errorPage = "error-page"
    /// A file of 44 bytes; `variant` is `empty` (the header announces no audio) or `claims-data`.
    case headerOnly = "header-only"
    /// A file truncated after `afterBytes` (default 62 %) but framed as if it were complete; shorter than its header
    /// says.
    case cutShort = "cut-short"
    /// An HLS playlist with the media type `audio/wav`.
    case playlist
    /// 403 from the media host, as for an address that has lapsed.
    case addressLapsed = "address-lapsed"
    /// 403, as if the user of the access key lacked a permission of the contract `media-playback`; `variant` is
    /// `search`, `play` or `metadata`. Without `metadata`, the address of the media is still given alone.
    case permissionMissing = "permission-missing"
  }

  /// The endpoints that faults apply to.
  package enum Endpoint: String, Sendable, Codable, CaseIterable { case token, search, metadata, download }

  package var fault: Fault
  /// The recording that it applies to; nil for all, and for calls without a recording.
  package var recording: String?
  /// The endpoint that it applies to; nil for every endpoint where the fault is possible.
  package var endpoint: Endpoint?
  /// How often it is applied; nil for no limit.
  package var times: Int?
  /// Seconds for which it is active after it was added; nil for no limit.
  package var lasts: Double?
  /// With `lasts`: the interval in seconds after which it becomes active again.
  package var every: Double?
  /// Bytes of the body (not the position in the file) before the fault.
  package var afterBytes: Int?
  /// The value of `Retry-After`, or `date:N` for the HTTP date N seconds from now.
  package var retryAfter: String?
  package var status: Int?
  /// Seconds before the response; with `stalled-body` the length of the stall.
  package var delay: Double?
  package var bytesPerSecond: Int?
  package var variant: String?

  enum CodingKeys: String, CodingKey {
    case fault, recording, endpoint, times, lasts, every, afterBytes, retryAfter, status, delay, bytesPerSecond, variant
  }

  package init(
    _ fault: Fault, recording: String? = nil, endpoint: Endpoint? = nil, times: Int? = nil, lasts: Double? = nil,
    every: Double? = nil, afterBytes: Int? = nil, retryAfter: String? = nil, status: Int? = nil, delay: Double? = nil,
    bytesPerSecond: Int? = nil, variant: String? = nil
  ) {
    self.fault = fault
    self.recording = recording
    self.endpoint = endpoint
    self.times = times
    self.lasts = lasts
    self.every = every
    self.afterBytes = afterBytes
    self.retryAfter = retryAfter
    self.status = status
    self.delay = delay
    self.bytesPerSecond = bytesPerSecond
    self.variant = variant
  }

  /// What is wrong with the numbers of a rule; nil when they are valid.
  var problem: String? {
    if let times, times < 1 { return "'times' must be at least 1" }
    for (name, seconds) in [("lasts", lasts), ("every", every)] {
      if let seconds, !(seconds > 0 && seconds <= 86_400) {
        return "'\(name)' must be more than 0 and at most 86400 seconds"
      }
    }
    if every != nil, lasts == nil { return "'every' requires 'lasts'" }
    if let afterBytes, afterBytes < 0 { return "'afterBytes' must not be negative" }
    if let status, !(400...599).contains(status) { return "'status' must be from 400 to 599" }
    if let delay, !(0...86_400).contains(delay) { return "'delay' must be from 0 to 86400 seconds" }
    if let bytesPerSecond, !(1...1_000_000_000).contains(bytesPerSecond) {
      return "'bytesPerSecond' must be from 1 to 1000000000"
    }
    if let retryAfter, !retryAfter.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
      return "'retryAfter' must be printable ASCII"
    }
    return nil
  }
}
