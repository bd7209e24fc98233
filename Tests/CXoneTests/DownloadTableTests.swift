import CXone
import Model
import Testing

@Suite struct DownloadTableTests {
  let tagged = DownloadState(etag: "\"a\"", totalBytes: 1000)
  let untagged = DownloadState(totalBytes: 200_000)
  let atHundred = DownloadTable.Ask.range(from: 100, ifRange: "\"a\"")
  let atZero = DownloadTable.Ask.range(from: 0, ifRange: nil)

  func answer(
    _ status: Int = 206, _ range: ContentRange = .missing, tag: DownloadAnswer.Tag = .strong("\"a\""),
    mark: VersionMark = VersionMark(), coding: DownloadAnswer.Coding = .plain, length: Int64? = nil
  ) -> DownloadAnswer {
    DownloadAnswer(status: status, contentRange: range, tag: tag, mark: mark, coding: coding, contentLength: length)
  }

  // MARK: What is asked

  @Test func `an empty sink asks from 0 without If-Range`() {
    #expect(DownloadTable.ask(held: 0, state: tagged) == .range(from: 0, ifRange: nil))
    #expect(DownloadTable.ask(held: 0, state: DownloadState(isResumable: false)) == atZero)
  }

  @Test func `a part with a strong tag goes on at its end under If-Range`() {
    #expect(DownloadTable.ask(held: 100, state: tagged) == atHundred)
  }

  @Test func `a part without a strong tag asks for its last 64 KiB again`() {
    #expect(DownloadTable.ask(held: 100_000, state: untagged) == .overlap(from: 100_000 - 65_536, held: 100_000))
    #expect(DownloadTable.ask(held: 10, state: untagged) == .overlap(from: 0, held: 10))
  }

  @Test func `a part that cannot be continued asks nothing`() {
    #expect(DownloadTable.ask(held: 10, state: DownloadState()) == nil)
    #expect(DownloadTable.ask(held: 10, state: DownloadState(etag: "\"a\"", isResumable: false)) == nil)
    #expect(DownloadTable.ask(held: 1001, state: tagged) == nil)
  }

  // MARK: 206

  @Test func `206 that starts at N with the same tag and total is appended`() {
    let decision = DownloadTable.decide(
      answer(206, .bytes(first: 100, last: 999, total: 1000)), to: atHundred, state: tagged)
    #expect(decision == (.append(count: 900), tagged))
  }

  @Test func `206 that starts before N with the same tag cuts back`() {
    let decision = DownloadTable.decide(
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
    let (action, state) = DownloadTable.decide(answer, to: atHundred, state: tagged)
    guard case .startOver = action else {
      Issue.record("\(action)")
      return
    }
    #expect(state == tagged)
  }

  @Test(arguments: [DownloadAnswer.Tag.missing, .weak])
  func `206 under If-Range without a strong tag is proved by its overlap`(tag: DownloadAnswer.Tag) {
    let decision = DownloadTable.decide(
      answer(206, .bytes(first: 100, last: 999, total: 1000), tag: tag), to: atHundred, state: tagged)
    #expect(decision == (.askForOverlap, tagged))
  }

  @Test func `206 at 0 is taken with its tag and total`() {
    let decision = DownloadTable.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000)), to: atZero, state: DownloadState())
    #expect(decision == (.append(count: 1000), tagged))
  }

  @Test func `206 at 0 with a weak tag keeps no tag`() {
    let decision = DownloadTable.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .weak), to: atZero, state: DownloadState())
    #expect(decision == (.append(count: 1000), DownloadState(totalBytes: 1000)))
  }

  @Test(arguments: [ContentRange.missing, .broken, .unsatisfied(total: 9)])
  func `206 at 0 without a usable Content-Range asks without Range`(range: ContentRange) {
    #expect(DownloadTable.decide(answer(206, range), to: atZero, state: DownloadState()).0 == .askWithoutRange)
  }

  @Test func `206 at 0 that is encoded asks without Range`() {
    let encoded = answer(206, .bytes(first: 0, last: 9, total: 10), coding: .foreign)
    #expect(DownloadTable.decide(encoded, to: atZero, state: DownloadState()).0 == .askWithoutRange)
  }

  @Test func `206 to a request without Range is refused`() {
    guard case .giveUp = DownloadTable.decide(answer(206), to: .whole, state: tagged).0 else {
      Issue.record("not refused")
      return
    }
  }

  // MARK: 200

  @Test func `200 takes the whole file, which cannot be resumed`() {
    for ask in [atZero, .whole, .overlap(from: 0, held: 10)] {
      let decision = DownloadTable.decide(answer(200, length: 77), to: ask, state: tagged)
      #expect(
        decision == (
          .takeWhole(count: 77), DownloadState(etag: "\"a\"", totalBytes: 77, isResumable: false)
        ))
    }
  }

  @Test func `200 under If-Range takes the changed file, which can be resumed`() {
    let decision = DownloadTable.decide(
      answer(200, tag: .strong("\"b\""), length: 77), to: atHundred, state: tagged)
    #expect(decision == (.takeWhole(count: 77), DownloadState(etag: "\"b\"", totalBytes: 77)))
  }

  @Test func `200 that is encoded is refused`() {
    guard case .giveUp = DownloadTable.decide(answer(200, coding: .foreign), to: .whole, state: tagged).0 else {
      Issue.record("not refused")
      return
    }
  }

  @Test(arguments: [ContentRange.bytes(first: 5, last: 9, total: 10), .bytes(first: 0, last: 8, total: 10)])
  func `200 with the range of a part is not taken for the whole`(range: ContentRange) {
    for ask in [atZero, atHundred, .whole] {
      guard case .startOver = DownloadTable.decide(answer(200, range), to: ask, state: tagged).0 else {
        Issue.record("taken for the whole")
        return
      }
    }
    let all = answer(200, .bytes(first: 0, last: 76, total: 77), length: 77)
    #expect(DownloadTable.decide(all, to: atZero, state: tagged).0 == .takeWhole(count: 77))
  }

  // MARK: 416

  @Test func `416 with the length that is held tells the total`() {
    let ask = DownloadTable.Ask.range(from: 1000, ifRange: "\"a\"")
    let (action, state) = DownloadTable.decide(
      answer(416, .unsatisfied(total: 1000)), to: ask, state: DownloadState(etag: "\"a\""))
    #expect(action == .complete)
    #expect(state == tagged)
  }

  @Test func `416 with the length that is held means complete`() {
    let ask = DownloadTable.Ask.range(from: 1000, ifRange: "\"a\"")
    let end = answer(416, .unsatisfied(total: 1000), tag: .missing)
    #expect(DownloadTable.decide(end, to: ask, state: tagged).0 == .complete)
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
    let ask = DownloadTable.Ask.range(from: 1000, ifRange: "\"a\"")
    guard case .startOver = DownloadTable.decide(answer, to: ask, state: tagged).0 else {
      Issue.record("kept the part")
      return
    }
  }

  @Test func `416 with the length held but another total than before starts over`() {
    let ask = DownloadTable.Ask.range(from: 500, ifRange: "\"a\"")
    guard case .startOver = DownloadTable.decide(answer(416, .unsatisfied(total: 500)), to: ask, state: tagged).0 else {
      Issue.record("kept the part")
      return
    }
  }

  // MARK: Overlap

  @Test func `an overlap of the same total is compared`() {
    let decision = DownloadTable.decide(
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
  func `an overlap that is not what was asked for starts over`(range: ContentRange, tag: DownloadAnswer.Tag) {
    let (action, _) = DownloadTable.decide(
      answer(206, range, tag: tag), to: .overlap(from: 34_464, held: 100_000), state: untagged)
    guard case .startOver = action else {
      Issue.record("\(action)")
      return
    }
  }

  @Test func `an overlap under another strong tag starts over`() {
    let ask = DownloadTable.Ask.overlap(from: 0, held: 100)
    let other = answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .strong("\"b\""))
    guard case .startOver = DownloadTable.decide(other, to: ask, state: tagged).0 else {
      Issue.record("kept the part")
      return
    }
  }

  @Test func `an overlap under another weak tag or date starts over, however equal its bytes are`() {
    let range = ContentRange.bytes(first: 0, last: 999, total: 1000)
    let ask = DownloadTable.Ask.overlap(from: 0, held: 100)
    let mark = VersionMark(tag: "\"a\"", modified: "Monday")
    let (_, state) = DownloadTable.decide(
      answer(206, range, tag: .weak, mark: mark), to: atZero, state: DownloadState())
    #expect(state == DownloadState(mark: mark, totalBytes: 1000))
    let same = DownloadTable.decide(answer(206, range, tag: .weak, mark: mark), to: ask, state: state)
    #expect(same == (.compareAndAppend(from: 0, count: 1000), state))
    for other in [VersionMark(tag: "\"b\"", modified: "Monday"), VersionMark(tag: "\"a\"", modified: "Tuesday")] {
      let (action, _) = DownloadTable.decide(answer(206, range, tag: .weak, mark: other), to: ask, state: state)
      #expect(action == .startOver("the tag or the date of the last change is another"))
    }
  }

  @Test func `an overlap under a weak tag that is not the strong one starts over`() {
    let (action, _) = DownloadTable.decide(
      answer(206, .bytes(first: 0, last: 999, total: 1000), tag: .weak, mark: VersionMark(tag: "\"b\"")),
      to: .overlap(from: 0, held: 100), state: tagged)
    #expect(action == .startOver("the tag or the date of the last change is another"))
  }

  // MARK: A body that ended too early

  @Test func `after a body that ended early in order the end of what is held is compared, tag or not`() {
    let state = DownloadTable.afterEarlyEnd(tagged)
    #expect(state == DownloadState(mark: VersionMark(tag: "\"a\""), totalBytes: 1000))
    #expect(DownloadTable.ask(held: 100, state: state) == .overlap(from: 0, held: 100))
    #expect(DownloadTable.afterEarlyEnd(untagged) == untagged)
    // Without a total there is nothing to compare by.
    #expect(DownloadTable.afterEarlyEnd(DownloadState(etag: "\"a\"")) == DownloadState(etag: "\"a\""))
  }
}
