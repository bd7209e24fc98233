import CXone
import Model
import Testing

@Suite struct ResumeRulesTests {
  let tagged = DownloadState(etag: "\"a\"", totalBytes: 1000)
  let untagged = DownloadState(totalBytes: 200_000)
  let atHundred = ResumeRules.Request.range(from: 100, ifRange: "\"a\"")
  let atZero = ResumeRules.Request.range(from: 0, ifRange: nil)

  func answer(
    _ status: Int = 206, _ range: ContentRange = .missing, tag: DownloadAnswer.Tag = .strong("\"a\""),
    validators: WeakValidators = WeakValidators(), coding: DownloadAnswer.Coding = .plain, length: Int64? = nil
  ) -> DownloadAnswer {
    DownloadAnswer(
      status: status, contentRange: range, tag: tag, validators: validators, coding: coding, contentLength: length)
  }

  // MARK: Requests

  @Test func `an empty sink requests from 0 without If-Range`() {
    #expect(ResumeRules.request(held: 0, state: tagged) == .range(from: 0, ifRange: nil))
    #expect(ResumeRules.request(held: 0, state: DownloadState(isResumable: false)) == atZero)
  }

  @Test func `held bytes with a strong tag are continued at their end with If-Range`() {
    #expect(ResumeRules.request(held: 100, state: tagged) == atHundred)
  }

  @Test func `without a strong tag the last 64 KiB are requested again`() {
    #expect(ResumeRules.request(held: 100_000, state: untagged) == .overlap(from: 100_000 - 65_536, held: 100_000))
    #expect(ResumeRules.request(held: 10, state: untagged) == .overlap(from: 0, held: 10))
  }

  @Test func `held bytes that cannot be continued give no request`() {
    #expect(ResumeRules.request(held: 10, state: DownloadState()) == nil)
    #expect(ResumeRules.request(held: 10, state: DownloadState(etag: "\"a\"", isResumable: false)) == nil)
    #expect(ResumeRules.request(held: 1001, state: tagged) == nil)
  }

  // MARK: 206

  @Test func `206 that starts at N with the same tag and total is appended`() {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 100, last: 999, total: 1000)), to: atHundred, state: tagged)
    #expect(decision == (.append(count: 900), tagged))
  }

  @Test func `206 that starts before N with the same tag cuts the held bytes`() {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 40, last: 999, total: 1000)), to: atHundred, state: tagged)
    #expect(decision == (.cutAndAppend(to: 40, count: 960), tagged))
  }

  @Test(arguments: [
    DownloadAnswer(
      status: 206, contentRange: .bytes(first: 100, last: 1000, total: 1001), tag: .strong("\"a\"")),
    DownloadAnswer(status: 206, contentRange: .bytes(first: 100, last: 999, total: 1000), tag: .strong("\"b\"")),
    DownloadAnswer(status: 206, contentRange: .bytes(first: 101, last: 999, total: 1000), tag: .strong("\"a\"")),
    DownloadAnswer(status: 206, contentRange: .missing, tag: .strong("\"a\"")),
    DownloadAnswer(status: 206, contentRange: .broken, tag: .strong("\"a\"")),
    DownloadAnswer(status: 206, contentRange: .unsatisfied(total: 1000), tag: .strong("\"a\"")),
    DownloadAnswer(
      status: 206, contentRange: .bytes(first: 100, last: 999, total: 1000), tag: .strong("\"a\""),
      coding: .foreign),
  ])
  func `206 that does not fit starts over`(answer: DownloadAnswer) {
    let (decision, state) = ResumeRules.decide(answer, to: atHundred, state: tagged)
    guard case .startOver = decision else {
      Issue.record("\(decision)")
      return
    }
    #expect(state == tagged)
  }

  @Test(arguments: [DownloadAnswer.Tag.missing, .weak])
  func `206 with If-Range but without a strong tag is verified by its overlap`(tag: DownloadAnswer.Tag) {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 100, last: 999, total: 1000), tag: tag), to: atHundred, state: tagged)
    #expect(decision == (.requestOverlap, tagged))
  }

  @Test func `206 at 0 is accepted with its tag and total`() {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000)), to: atZero, state: DownloadState())
    #expect(decision == (.append(count: 1000), tagged))
  }

  @Test func `206 at 0 with a weak tag stores no strong tag`() {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .weak), to: atZero, state: DownloadState())
    #expect(decision == (.append(count: 1000), DownloadState(totalBytes: 1000)))
  }

  @Test(arguments: [ContentRange.missing, .broken, .unsatisfied(total: 9)])
  func `206 at 0 without a usable Content-Range leads to a request without Range`(range: ContentRange) {
    #expect(ResumeRules.decide(answer(206, range), to: atZero, state: DownloadState()).0 == .requestWhole)
  }

  @Test func `206 at 0 that is encoded leads to a request without Range`() {
    let encoded = answer(206, .bytes(first: 0, last: 9, total: 10), coding: .foreign)
    #expect(ResumeRules.decide(encoded, to: atZero, state: DownloadState()).0 == .requestWhole)
  }

  @Test func `206 to a request without Range is rejected`() {
    guard case .fail = ResumeRules.decide(answer(206), to: .whole, state: tagged).0 else {
      Issue.record("not refused")
      return
    }
  }

  // MARK: 200

  @Test func `200 takes the whole file, which cannot be resumed`() {
    for request in [atZero, .whole, .overlap(from: 0, held: 10)] {
      let decision = ResumeRules.decide(answer(200, length: 77), to: request, state: tagged)
      #expect(
        decision == (
          .takeWhole(count: 77), DownloadState(etag: "\"a\"", totalBytes: 77, isResumable: false)
        ))
    }
  }

  @Test func `200 to If-Range takes the changed file, which can be resumed`() {
    let decision = ResumeRules.decide(
      answer(200, tag: .strong("\"b\""), length: 77), to: atHundred, state: tagged)
    #expect(decision == (.takeWhole(count: 77), DownloadState(etag: "\"b\"", totalBytes: 77)))
  }

  @Test func `200 that is encoded is rejected`() {
    guard case .fail = ResumeRules.decide(answer(200, coding: .foreign), to: .whole, state: tagged).0 else {
      Issue.record("not refused")
      return
    }
  }

  @Test(arguments: [ContentRange.bytes(first: 5, last: 9, total: 10), .bytes(first: 0, last: 8, total: 10)])
  func `200 with the range of a part is not taken as the whole file`(range: ContentRange) {
    for request in [atZero, atHundred, .whole] {
      guard case .startOver = ResumeRules.decide(answer(200, range), to: request, state: tagged).0 else {
        Issue.record("taken as the whole file")
        return
      }
    }
    let all = answer(200, .bytes(first: 0, last: 76, total: 77), length: 77)
    #expect(ResumeRules.decide(all, to: atZero, state: tagged).0 == .takeWhole(count: 77))
  }

  // MARK: 416

  @Test func `416 with the held length gives the total`() {
    let request = ResumeRules.Request.range(from: 1000, ifRange: "\"a\"")
    let (decision, state) = ResumeRules.decide(
      answer(416, .unsatisfied(total: 1000)), to: request, state: DownloadState(etag: "\"a\""))
    #expect(decision == .complete)
    #expect(state == tagged)
  }

  @Test func `416 with the held length means complete`() {
    let request = ResumeRules.Request.range(from: 1000, ifRange: "\"a\"")
    let end = answer(416, .unsatisfied(total: 1000), tag: .missing)
    #expect(ResumeRules.decide(end, to: request, state: tagged).0 == .complete)
  }

  @Test(arguments: [
    DownloadAnswer(status: 416, contentRange: .unsatisfied(total: 999)),
    DownloadAnswer(status: 416, contentRange: .unsatisfied(total: 1001)),
    DownloadAnswer(status: 416, contentRange: .missing),
    DownloadAnswer(status: 416, contentRange: .broken),
    DownloadAnswer(status: 416, contentRange: .bytes(first: 0, last: 999, total: 1000)),
    DownloadAnswer(status: 416, contentRange: .unsatisfied(total: 1000), tag: .strong("\"b\"")),
  ])
  func `416 otherwise starts over`(answer: DownloadAnswer) {
    let request = ResumeRules.Request.range(from: 1000, ifRange: "\"a\"")
    guard case .startOver = ResumeRules.decide(answer, to: request, state: tagged).0 else {
      Issue.record("kept the held bytes")
      return
    }
  }

  @Test func `416 with the held length but another total than before starts over`() {
    let request = ResumeRules.Request.range(from: 500, ifRange: "\"a\"")
    guard case .startOver = ResumeRules.decide(answer(416, .unsatisfied(total: 500)), to: request, state: tagged).0
    else {
      Issue.record("kept the held bytes")
      return
    }
  }

  // MARK: Overlap

  @Test func `an overlap of the same total is compared`() {
    let decision = ResumeRules.decide(
      answer(206, .bytes(first: 34_464, last: 199_999, total: 200_000), tag: .weak),
      to: .overlap(from: 34_464, held: 100_000), state: untagged)
    #expect(decision == (.compareAndAppend(from: 34_464, count: 165_536), untagged))
  }

  @Test(arguments: [
    (ContentRange.bytes(first: 34_464, last: 200_000, total: 200_001), DownloadAnswer.Tag.missing),
    (.bytes(first: 34_465, last: 199_999, total: 200_000), .missing),
    (.bytes(first: 34_463, last: 199_999, total: 200_000), .missing),
    (.bytes(first: 34_464, last: 99_998, total: 200_000), .missing),
    (.missing, .missing),
    (.broken, .missing),
  ])
  func `an overlap other than the requested one starts over`(range: ContentRange, tag: DownloadAnswer.Tag) {
    let (decision, _) = ResumeRules.decide(
      answer(206, range, tag: tag), to: .overlap(from: 34_464, held: 100_000), state: untagged)
    guard case .startOver = decision else {
      Issue.record("\(decision)")
      return
    }
  }

  @Test func `an overlap with another strong tag starts over`() {
    let request = ResumeRules.Request.overlap(from: 0, held: 100)
    let other = answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .strong("\"b\""))
    guard case .startOver = ResumeRules.decide(other, to: request, state: tagged).0 else {
      Issue.record("kept the held bytes")
      return
    }
  }

  @Test func `an overlap with another weak tag or date starts over, even when its bytes are equal`() {
    let range = ContentRange.bytes(first: 0, last: 999, total: 1000)
    let request = ResumeRules.Request.overlap(from: 0, held: 100)
    let validators = WeakValidators(tag: "\"a\"", modified: "Monday")
    let (_, state) = ResumeRules.decide(
      answer(206, range, tag: .weak, validators: validators), to: atZero, state: DownloadState())
    #expect(state == DownloadState(validators: validators, totalBytes: 1000))
    let same = ResumeRules.decide(answer(206, range, tag: .weak, validators: validators), to: request, state: state)
    #expect(same == (.compareAndAppend(from: 0, count: 1000), state))
    for other in [WeakValidators(tag: "\"b\"", modified: "Monday"), WeakValidators(tag: "\"a\"", modified: "Tuesday")] {
      let (decision, _) = ResumeRules.decide(
        answer(206, range, tag: .weak, validators: other), to: request, state: state)
      #expect(decision == .startOver("the ETag or the modification date changed"))
    }
  }

  @Test func `an overlap with a weak tag that differs from the strong one starts over`() {
    let (decision, _) = ResumeRules.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .weak, validators: WeakValidators(tag: "\"b\"")),
      to: .overlap(from: 0, held: 100), state: tagged)
    #expect(decision == .startOver("the ETag or the modification date changed"))
  }

  // MARK: A body that ends early

  @Test func `after a body that ended early the held end is compared, with or without a tag`() {
    let state = ResumeRules.afterEarlyEnd(tagged)
    #expect(state == DownloadState(validators: WeakValidators(tag: "\"a\""), totalBytes: 1000))
    #expect(ResumeRules.request(held: 100, state: state) == .overlap(from: 0, held: 100))
    #expect(ResumeRules.afterEarlyEnd(untagged) == untagged)
    // Without a total there is nothing to compare with.
    #expect(ResumeRules.afterEarlyEnd(DownloadState(etag: "\"a\"")) == DownloadState(etag: "\"a\""))
  }
}
