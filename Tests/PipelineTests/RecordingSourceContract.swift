import CXone
import Foundation
import Model
import NIOCore
import Synchronization
import Testing

/// What every source must do, whatever the contract of its platform. Each function is one requirement.
struct RecordingSourceContract: Sendable {
  let source: any RecordingSource
  /// A period with calls.
  let period: Period
  /// A period without calls.
  let emptyPeriod: Period
  /// Calls that a list of the period must have.
  let listed: [RecordingID]
  /// A call of the period whose media is available, and its bytes.
  let available: RecordingID
  let bytes: [UInt8]
  /// A call whose media is not available yet.
  let notReady: RecordingID

  private func pages(of period: Period, direction: Direction? = nil) async throws -> [ListPage] {
    let query = RecordingQuery(start: period.start, end: period.end, direction: direction)
    var pages = [try await source.list(query, bookmark: nil)]
    var seen: Set<String> = []
    while let bookmark = pages.last?.nextCursor {
      try #require(seen.insert(bookmark).inserted, "a bookmark repeats")
      pages.append(try await source.list(query, bookmark: bookmark))
    }
    return pages
  }

  func listsEveryCallOfAPeriod() async throws {
    let pages = try await pages(of: period)
    let ids = Set(pages.flatMap(\.recordings).map(\.id))
    #expect(ids.isSuperset(of: listed))
    #expect(pages.allSatisfy { $0.unidentified.isEmpty })
    #expect(pages.allSatisfy { $0.rowCount <= source.policy.pageSize })
    for call in pages.flatMap(\.recordings) {
      let start = try #require(call.startTime)
      #expect(period.contains(start))
    }
  }

  func listsEachRowOnce() async throws {
    let rows = try await pages(of: period).flatMap(\.recordings).map { "\($0.id) \($0.leg ?? "")" }
    #expect(rows.count == Set(rows).count)
  }

  func listsNothingInAnEmptyPeriod() async throws {
    #expect(try await pages(of: emptyPeriod).allSatisfy { $0.rowCount == 0 })
  }

  func listsNoFirstLegOfAnotherDirection() async throws {
    let rows = try await pages(of: period, direction: .outbound).flatMap(\.recordings)
    #expect(!rows.isEmpty)
    for row in rows {
      let isFirstLeg = row.leg == nil || row.leg == row.id.rawValue
      #expect(row.direction != .inbound || !isFirstLeg)
    }
  }

  func listsChangesOnlyWhereThePolicySaysSo() async throws {
    guard source.policy.listsChanges else {
      await #expect(throws: TapedeckError.self) { try await source.listChanges(since: period.start, bookmark: nil) }
      return
    }
    let page = try await source.listChanges(since: period.start, bookmark: nil)
    #expect(!page.recordings.isEmpty)
  }

  func locatesAvailableMedia() async throws {
    let located = try await source.locate(available)
    #expect(located.availability == .available && located.facts.status == .available)
    #expect(located.facts.id == available)
    #expect(located.parts.map(\.locator) == [PartLocator(available)])
  }

  func locatesNoMediaOfACallThatIsNotReady() async throws {
    let located = try await source.locate(notReady)
    #expect(located.availability == .notYet && located.parts.isEmpty)
    #expect(located.facts.status == .processing)
  }

  func downloadsTheWholeFile() async throws {
    let sink = BufferSink()
    let state = try await download(into: sink)
    #expect(sink.bytes == bytes)
    #expect(state.totalBytes == Int64(bytes.count))
    #expect(sink.states.last == state)
  }

  func resumesWhereADownloadStopped() async throws {
    let first = BufferSink()
    let state = try await download(into: first)
    let sink = BufferSink(Array(bytes.prefix(bytes.count / 2)))
    _ = try await download(state, into: sink)
    #expect(sink.bytes == bytes)
    #expect(sink.shortest == bytes.count / 2, "the received bytes were dropped")
  }

  func completesADownloadThatHasAllBytes() async throws {
    let first = BufferSink()
    let state = try await download(into: first)
    let sink = BufferSink(bytes)
    #expect(try await download(state, into: sink) == state)
    #expect(sink.bytes == bytes && sink.shortest == bytes.count)
  }

  func passesOnTheErrorOfTheSink() async throws {
    let sink = BufferSink(failure: TapedeckError(.diskFull))
    var code: TapedeckError.Code?
    do { _ = try await download(into: sink) } catch { code = (error as? TapedeckError)?.code }
    #expect(code == .diskFull)
  }

  func endsPromptlyWhenCancelled() async throws {
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      do {
        _ = try await download(into: BufferSink())
        return nil as TapedeckError.Code?
      } catch {
        return (error as? TapedeckError)?.code
      }
    }
    #expect(await task.value == .interrupted)
  }

  func checksWhatItRequires() async {
    let checks = await source.checks()
    #expect(!checks.isEmpty)
    for check in checks { #expect(check.failure == nil && !check.isSkipped, "\(check.name)") }
    #expect(checks.allSatisfy { !$0.name.isEmpty && !$0.remedy.isEmpty })
  }

  private func download(
    _ state: DownloadState = DownloadState(), into sink: BufferSink
  ) async throws -> DownloadState {
    try await source.download(PartLocator(available), state: state, into: sink) { state throws(TapedeckError) in
      sink.note(state)
    }
  }
}

/// A sink in memory that knows how short it was.
final class BufferSink: DownloadSink {
  private let content: Mutex<(bytes: [UInt8], shortest: Int, states: [DownloadState])>
  private let failure: TapedeckError?

  init(_ bytes: [UInt8] = [], failure: TapedeckError? = nil) {
    content = Mutex((bytes: bytes, shortest: bytes.count, states: []))
    self.failure = failure
  }

  var bytes: [UInt8] { content.withLock { $0.bytes } }
  var shortest: Int { content.withLock { $0.shortest } }
  var states: [DownloadState] { content.withLock { $0.states } }
  var length: Int64 { get async { Int64(bytes.count) } }

  func append(_ bytes: ByteBuffer) async throws(TapedeckError) {
    if let failure { throw failure }
    content.withLock { $0.bytes += bytes.readableBytesView }
  }

  func cut(to length: Int64) async throws(TapedeckError) {
    content.withLock { content in
      content.bytes.removeSubrange(Int(length)...)
      content.shortest = min(content.shortest, Int(length))
    }
  }

  func bytes(in range: Range<Int64>) async throws(TapedeckError) -> [UInt8] {
    Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
  }

  func note(_ state: DownloadState) { content.withLock { $0.states.append(state) } }
}
