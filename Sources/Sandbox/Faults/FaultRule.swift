/// Something that goes wrong, where, and how often. As JSON it is what `POST /sandbox/faults` takes.
package struct FaultRule: Sendable, Equatable, Codable {
  /// What goes wrong. The raw values are the names in JSON and on the command line.
  package enum Fault: String, Sendable, Codable, CaseIterable {
    /// 429, with the `Retry-After` of `retryAfter`, or without one.
    case rateLimited = "rate-limited"
    /// `status` (500), with `retryAfter` where given.
    case serverError = "server-error"
    /// 401 although the token is valid.
    case lapsedToken = "lapsed-token"
    /// 403 as if the token lacked the scope.
    case scopeMissing = "scope-missing"
    /// 403 for the privacy of the recording.
    case privacyRefused = "privacy-refused"
    /// 404.
    case gone
    /// The answer comes after `delay` seconds and is right.
    case delayed
    /// Metadata says `processing` although the recording is available.
    case statusFlap = "status-flap"
    /// The connection is closed after `afterBytes` (half) of the body, without a last chunk.
    case cut
    /// As `cut`, and from then on the file has other bytes, another tag and another size.
    case changedFile = "changed-file"
    /// Nothing more comes after `afterBytes` (half) of the body, until the client leaves or `delay` (600) seconds pass.
    case stalledBody = "stalled-body"
    /// The body comes at `bytesPerSecond` (64,000).
    case slow
    /// 200 and the whole file, whatever range is asked for, in chunks and without a length.
    case noRanges = "no-ranges"
    /// 206 from byte 0 without `Content-Range`.
    case strippedContentRange = "stripped-content-range"
    /// 206 from a later byte without `Content-Range`.
    case noContentRangeResume = "no-content-range-resume"
    /// 206 from a later byte with a `Content-Range` that cannot be read.
    case brokenContentRange = "broken-content-range"
    /// A later range starts 1000 bytes after what was asked for.
    case wrongStart = "wrong-start"
    /// A later range starts 1000 bytes before what was asked for.
    case earlyStart = "early-start"
    /// A later range has another tag, the same bytes and the same size.
    case wrongETag = "wrong-etag"
    /// The tag is a weak one.
    case weakETag = "weak-etag"
    /// There is no tag.
    case noETag = "no-etag"
    /// A 206 that says `Content-Encoding: gzip` though it is not.
    case contentEncoding = "content-encoding"
    /// 200 with an error page instead of sound; `variant` is `html`, `json`, `html-as-audio` or `json-as-audio`.
    case errorPage = "error-page"
    /// A file of 44 bytes; `variant` is `empty` (its header claims no sound) or `claims-data`.
    case headerOnly = "header-only"
    /// A file that ends after `afterBytes` (62 %), framed as if that were all, shorter than its header says.
    case cutShort = "cut-short"
    /// An HLS playlist that calls itself `audio/wav`.
    case playlist
  }

  /// The classes of addresses.
  package enum Endpoint: String, Sendable, Codable, CaseIterable { case token, search, metadata, download }

  package var fault: Fault
  /// The id that it happens to; nil for every one, and for calls that name none.
  package var recording: String?
  /// Where it happens; nil for everywhere that the fault makes sense.
  package var endpoint: Endpoint?
  /// After so many times it is used up; nil for never.
  package var times: Int?
  /// It happens for so many seconds from when the rule was put up; nil for as long as the rule is there.
  package var lasts: Double?
  /// With `lasts`: it begins again each time that so many seconds have passed.
  package var every: Double?
  /// Bytes of the body (not the position in the file) before it happens.
  package var afterBytes: Int?
  /// The `Retry-After` as it is sent, or `date:N` for the HTTP date in N seconds.
  package var retryAfter: String?
  package var status: Int?
  /// Seconds before the answer; with `stalled-body` the length of the stall.
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

  /// What is wrong with the numbers of a rule; nil when nothing is.
  var complaint: String? {
    if let times, times < 1 { return "'times' is at least 1" }
    for (name, seconds) in [("lasts", lasts), ("every", every)] {
      if let seconds, !(seconds > 0 && seconds <= 86_400) { return "'\(name)' is from more than 0 to 86400 seconds" }
    }
    if every != nil, lasts == nil { return "'every' goes with 'lasts'" }
    if let afterBytes, afterBytes < 0 { return "'afterBytes' is not negative" }
    if let status, !(400...599).contains(status) { return "'status' is from 400 to 599" }
    if let delay, !(0...86_400).contains(delay) { return "'delay' is from 0 to 86400 seconds" }
    if let bytesPerSecond, !(1...1_000_000_000).contains(bytesPerSecond) {
      return "'bytesPerSecond' is from 1 to 1000000000"
    }
    if let retryAfter, !retryAfter.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
      return "'retryAfter' is printable ASCII"
    }
    return nil
  }
}
