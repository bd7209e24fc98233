import Model

/// The rules of resumption as pure functions: what to ask for, and what an answer means for the bytes already held.
///
/// Two versions of a file must never be joined, and a file that can be continued should be. Hence a byte is appended
/// only when a strong validator or an overlap that was compared says that it belongs to the same file.
package enum DownloadTable {
  /// How much of what is held is asked for again where no strong validator vouches for it.
  package static let overlap: Int64 = 64 * 1024

  /// What a request asks for.
  package enum Ask: Equatable, Sendable {
    /// `Range: bytes=N-`, N being everything held; with `If-Range` where a strong tag is known and N > 0.
    case range(from: Int64, ifRange: String?)
    /// `Range: bytes=N-` with N before the end of what is held; the bytes up to `held` are compared.
    case overlap(from: Int64, held: Int64)
    /// No `Range` at all.
    case whole
  }

  /// What the answer asks us to do.
  package enum Action: Equatable, Sendable {
    /// The body begins where the sink ends and brings `count` bytes.
    case append(count: Int64)
    /// Cut back, then as `append`.
    case cutAndAppend(to: Int64, count: Int64)
    /// The body's first bytes must equal what is held from `from` on; the rest is appended. `count` is the whole body.
    case compareAndAppend(from: Int64, count: Int64)
    /// Cut to 0 and take the whole body, of `count` bytes where that is known.
    case takeWhole(count: Int64?)
    /// Every byte is held already.
    case complete
    /// Ask again from 0; what is held does not fit.
    case startOver(String)
    /// Ask once more without `Range`.
    case askWithoutRange
    /// Ask again, for the overlap: the answer does not say which file it is from.
    case askForOverlap
    /// Nothing sensible can follow.
    case giveUp(String)
  }

  /// The first question, or nil when what is held cannot be continued and must be dropped first.
  package static func ask(held: Int64, state: DownloadState) -> Ask? {
    if held == 0 { return .range(from: 0, ifRange: nil) }
    guard state.isResumable else { return nil }
    if let total = state.totalBytes, held > total { return nil }
    if let etag = state.etag { return .range(from: held, ifRange: etag) }
    return overlapAsk(held: held, state: state)
  }

  /// The question whose answer shows by its bytes that it continues what is held; nil where no total is known.
  static func overlapAsk(held: Int64, state: DownloadState) -> Ask? {
    guard let total = state.totalBytes, held <= total else { return nil }
    return .overlap(from: max(0, held - overlap), held: held)
  }

  /// What an answer with status 200, 206 or 416 means, and the state that is true once its bytes are taken.
  package static func decide(_ answer: DownloadAnswer, to ask: Ask, state: DownloadState) -> (Action, DownloadState) {
    switch (answer.status, ask) {
    case (200, _): whole(answer, ask: ask, state: state)
    case (206, .whole), (416, .whole): (.giveUp("status \(answer.status) to a request without a range"), state)
    case (206, .range(from: 0, _)): beginning(answer, state: state)
    case (206, .range(let held, _)): continuation(answer, held: held, state: state)
    case (206, .overlap(let from, let held)): compared(answer, from: from, held: held, state: state)
    case (416, .range(let held, _)): unsatisfied(answer, held: held, state: state)
    case (416, .overlap): (.startOver("the file became shorter than what is held"), state)
    default: (.giveUp("status \(answer.status) is no answer to a download"), state)
    }
  }

  /// 200: the server does no ranges, or the file is another one than `If-Range` named. Only the latter can be resumed.
  private static func whole(_ answer: DownloadAnswer, ask: Ask, state: DownloadState) -> (Action, DownloadState) {
    guard answer.coding == .plain else { return (.giveUp("the body is encoded, which was not asked for"), state) }
    var count = answer.contentLength
    if case .bytes(let first, let last, let total) = answer.contentRange {
      // A proxy that made a 200 of a 206.
      guard first == 0, last == total - 1 else {
        return (.startOver("a part of the file came as if it were the whole"), state)
      }
      count = total
    }
    var next = described(by: answer, totalBytes: count)
    next.isResumable = false
    if case .range(_, .some) = ask { next.isResumable = next.etag != nil || next.totalBytes != nil }
    return (.takeWhole(count: count), next)
  }

  /// 206 to `bytes=0-`.
  private static func beginning(_ answer: DownloadAnswer, state: DownloadState) -> (Action, DownloadState) {
    guard answer.coding == .plain, case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.askWithoutRange, state)
    }
    guard first == 0 else { return (.startOver("the answer begins at \(first), not at 0"), state) }
    return (.append(count: last + 1), described(by: answer, totalBytes: total))
  }

  /// What is remembered of the file that an answer begins.
  private static func described(by answer: DownloadAnswer, totalBytes: Int64?) -> DownloadState {
    let tag = answer.tag.strong
    let mark = tag == nil && answer.mark != VersionMark() ? answer.mark : nil
    return DownloadState(etag: tag, mark: mark, totalBytes: totalBytes)
  }

  /// 206 to `bytes=N-` where a strong tag is known.
  private static func continuation(
    _ answer: DownloadAnswer, held: Int64, state: DownloadState
  ) -> (Action, DownloadState) {
    guard answer.coding == .plain else { return (.startOver("the answer is encoded or multipart"), state) }
    guard case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.startOver("the answer has no usable Content-Range"), state)
    }
    if let known = state.totalBytes, known != total { return (.startOver("the total changed"), state) }
    if first > held { return (.startOver("the answer begins after what is held"), state) }
    switch answer.tag {
    case .strong(state.etag): break
    case .strong: return (.startOver("the tag changed"), state)
    case .missing, .weak:
      // The server need not have looked at If-Range at all; then only the bytes can tell.
      return (overlapAsk(held: held, state: state) == nil ? .startOver("the answer has no tag") : .askForOverlap, state)
    }
    var next = state
    next.totalBytes = total
    let count = last - first + 1
    return (first == held ? .append(count: count) : .cutAndAppend(to: first, count: count), next)
  }

  /// 206 to a request for the overlap.
  private static func compared(
    _ answer: DownloadAnswer, from: Int64, held: Int64, state: DownloadState
  ) -> (Action, DownloadState) {
    guard answer.coding == .plain, case .bytes(let first, let last, let total) = answer.contentRange else {
      return (.startOver("the overlap came without a usable Content-Range"), state)
    }
    guard total == state.totalBytes else { return (.startOver("the total changed"), state) }
    guard first == from, last >= held - 1 else { return (.startOver("the overlap is not what was asked for"), state) }
    if let known = state.etag, let tag = answer.tag.strong, tag != known {
      return (.startOver("the tag changed"), state)
    }
    if answer.mark.contradicts(state.mark ?? VersionMark(tag: state.etag)) {
      return (.startOver("the tag or the date of the last change is another"), state)
    }
    // The tag is not taken over: it names the file as a whole, and only 64 KiB of ours were compared with it.
    return (.compareAndAppend(from: from, count: last - first + 1), state)
  }

  /// 416 to `bytes=N-`.
  private static func unsatisfied(
    _ answer: DownloadAnswer, held: Int64, state: DownloadState
  ) -> (Action, DownloadState) {
    guard case .unsatisfied(held) = answer.contentRange, state.totalBytes ?? held == held else {
      return (.startOver("the platform says that the range does not exist"), state)
    }
    if let known = state.etag, let tag = answer.tag.strong, tag != known {
      return (.startOver("the tag changed"), state)
    }
    var next = state
    next.totalBytes = held
    return (.complete, next)
  }

  /// What is true after a body that ended in order before its announced end.
  ///
  /// The server met an error, and may have written its words where audio should be. So what is held is not taken up
  /// under its tag any more, but by comparing its end with what comes again.
  package static func afterEarlyEnd(_ state: DownloadState) -> DownloadState {
    guard let tag = state.etag, state.totalBytes != nil else { return state }
    var next = state
    next.mark = VersionMark(tag: tag)
    next.etag = nil
    return next
  }
}
