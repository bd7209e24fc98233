import Model

/// The rules for resuming a download as pure functions: what to request, and what a response means for the held bytes.
///
/// Two versions of a file must never be joined, but a file that can be resumed should be. Therefore bytes are appended
/// only when a strong validator or a compared overlap shows that they belong to the same file.
package enum ResumeRules {
  /// The number of held bytes that are requested again where no strong validator is known.
  package static let overlap: Int64 = 64 * 1024

  /// Statuses, besides 416, with which servers refuse every request with a range. The request is then sent once without
  /// one.
  static let mayRefuseRanges: Set<Int> = [400, 406, 412, 501]

  /// What a request asks for.
  package enum Request: Equatable, Sendable {
    /// `Range: bytes=N-`, N being the number of held bytes; with `If-Range` where a strong tag is known and N > 0.
    case range(from: Int64, ifRange: String?)
    /// `Range: bytes=N-` with N before the end of the held bytes; the bytes up to `held` are compared.
    case overlap(from: Int64, held: Int64)
    /// No `Range`.
    case whole
  }

  /// How the download continues after a response.
  package enum Decision: Equatable, Sendable {
    /// The body continues where the sink ends and has `count` bytes.
    case append(count: Int64)
    /// Truncate the sink, then as `append`.
    case cutAndAppend(to: Int64, count: Int64)
    /// The first bytes of the body must equal the held bytes from `from` on; the rest is appended. `count` is the
    /// length of the body.
    case compareAndAppend(from: Int64, count: Int64)
    /// Truncate the sink to 0 and take the complete body, of `count` bytes where known.
    case takeWhole(count: Int64?)
    /// All bytes are held.
    case complete
    /// Restart at 0: the held bytes belong to another file.
    case startOver(String)
    /// Repeat the request without `Range`.
    case requestWhole
    /// Request the overlap, because the response does not identify its file version.
    case requestOverlap
    /// The download fails.
    case fail(String)
  }

  /// The first request, or nil when the held bytes cannot be continued and must be dropped.
  package static func request(held: Int64, state: DownloadState) -> Request? {
    if held == 0 { return .range(from: 0, ifRange: nil) }
    guard state.isResumable else { return nil }
    if let total = state.totalBytes, held > total { return nil }
    if let etag = state.etag { return .range(from: held, ifRange: etag) }
    return overlapRequest(held: held, state: state)
  }

  /// The request whose response shows by its bytes that it continues the held bytes; nil where no total is known.
  static func overlapRequest(held: Int64, state: DownloadState) -> Request? {
    guard let total = state.totalBytes, held <= total else { return nil }
    return .overlap(from: max(0, held - overlap), held: held)
  }

  /// What a response with status 200, 206, 416 or one of `mayRefuseRanges` means, and the state after its bytes are
  /// taken.
  package static func decide(
    _ answer: DownloadAnswer, to request: Request, state: DownloadState
  ) -> (Decision, DownloadState) {
    switch (answer.status, request) {
    case (200, _): whole(answer, request: request, state: state)
    case (206, .whole), (416, .whole): (.fail("status \(answer.status) to a request without a range"), state)
    case (206, .range(from: 0, _)): beginning(answer, state: state)
    case (206, .range(let held, _)): continuation(answer, held: held, state: state)
    case (206, .overlap(let from, let held)): compared(answer, from: from, held: held, state: state)
    // With no bytes held, the total could be 0.
    case (416, .range(from: 0, _)) where answer.contentRange != .unsatisfied(total: 0): (.requestWhole, state)
    case (_, .range(from: 0, _)) where mayRefuseRanges.contains(answer.status): (.requestWhole, state)
    case (416, .range(let held, _)): unsatisfied(answer, held: held, state: state)
    case (416, .overlap): (.startOver("the file became shorter than the held bytes"), state)
    default: (.fail("unexpected status \(answer.status) for a download"), state)
    }
  }

  /// 200: the server does not support ranges, or the file is not the one named in `If-Range`. Only in the second case
  /// can the new download be resumed.
  private static func whole(
    _ answer: DownloadAnswer, request: Request, state: DownloadState
  ) -> (Decision, DownloadState) {
    guard answer.coding == .plain else {
      return (.fail("the body is encoded (Content-Encoding) although this was not requested"), state)
    }
    var count = answer.contentLength
    if case .bytes(let first, let last, let total) = answer.contentRange {
      // A proxy has turned a 206 into a 200.
      guard first == 0, last == total - 1 else {
        return (.startOver("the response presents a part of the file as the whole"), state)
      }
      count = total
    }
    var next = described(by: answer, totalBytes: count)
    next.isResumable = false
    if case .range(_, .some) = request { next.isResumable = next.etag != nil || next.totalBytes != nil }
    return (.takeWhole(count: count), next)
  }

  /// 206 to `bytes=0-`.
  private static func beginning(_ answer: DownloadAnswer, state: DownloadState) -> (Decision, DownloadState) {
    guard answer.coding == .plain, case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.requestWhole, state)
    }
    guard first == 0 else { return (.startOver("the response begins at \(first) instead of 0"), state) }
    return (.append(count: last + 1), described(by: answer, totalBytes: total))
  }

  /// The state of a download that begins with this response.
  private static func described(by answer: DownloadAnswer, totalBytes: Int64?) -> DownloadState {
    let tag = answer.tag.strong
    let validators = tag == nil && answer.validators != WeakValidators() ? answer.validators : nil
    return DownloadState(etag: tag, validators: validators, totalBytes: totalBytes)
  }

  /// 206 to `bytes=N-` where a strong tag is known.
  private static func continuation(
    _ answer: DownloadAnswer, held: Int64, state: DownloadState
  ) -> (Decision, DownloadState) {
    guard answer.coding == .plain else { return (.startOver("the response is encoded or multipart"), state) }
    guard case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.startOver("the response has no usable Content-Range"), state)
    }
    if let known = state.totalBytes, known != total { return (.startOver("the total changed"), state) }
    if first > held { return (.startOver("the response begins after the held bytes"), state) }
    switch answer.tag {
    case .strong(state.etag): break
    case .strong: return (.startOver("the ETag changed"), state)
    case .missing, .weak:
      // The server may have ignored If-Range; only a comparison of bytes can tell.
      let isComparable = overlapRequest(held: held, state: state) != nil
      return (isComparable ? .requestOverlap : .startOver("the response has no ETag"), state)
    }
    var next = state
    next.totalBytes = total
    let count = last - first + 1
    return (first == held ? .append(count: count) : .cutAndAppend(to: first, count: count), next)
  }

  /// 206 to a request of the overlap.
  private static func compared(
    _ answer: DownloadAnswer, from: Int64, held: Int64, state: DownloadState
  ) -> (Decision, DownloadState) {
    guard answer.coding == .plain, case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.startOver("the overlap has no usable Content-Range"), state)
    }
    guard total == state.totalBytes else { return (.startOver("the total changed"), state) }
    guard first == from, last >= held - 1 else { return (.startOver("the overlap is not the requested one"), state) }
    if let known = state.etag, let tag = answer.tag.strong, tag != known {
      return (.startOver("the ETag changed"), state)
    }
    if answer.validators.contradicts(state.validators ?? WeakValidators(tag: state.etag)) {
      return (.startOver("the ETag or the modification date changed"), state)
    }
    // The tag is not adopted: it identifies the complete file, but only 64 KiB have been compared.
    return (.compareAndAppend(from: from, count: last - first + 1), state)
  }

  /// 416 to `bytes=N-`.
  private static func unsatisfied(
    _ answer: DownloadAnswer, held: Int64, state: DownloadState
  ) -> (Decision, DownloadState) {
    guard case .unsatisfied(held) = answer.contentRange, state.totalBytes ?? held == held else {
      return (.startOver("the platform reports that the range does not exist"), state)
    }
    if let known = state.etag, let tag = answer.tag.strong, tag != known {
      return (.startOver("the ETag changed"), state)
    }
    var next = state
    next.totalBytes = held
    return (.complete, next)
  }

  /// The state after a body that ended cleanly before its announced end.
  ///
  /// The server encountered an error and may have written its error message in place of audio. The held bytes are
  /// therefore not resumed under their tag, but by comparing their end with the bytes received again.
  package static func afterEarlyEnd(_ state: DownloadState) -> DownloadState {
    guard let tag = state.etag, state.totalBytes != nil else { return state }
    var next = state
    next.validators = WeakValidators(tag: tag)
    next.etag = nil
    return next
  }
}
