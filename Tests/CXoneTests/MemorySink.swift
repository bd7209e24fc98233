import CXone
import Model
import NIOCore
import Synchronization
import TestKit

/// A sink in memory that records the order of its operations.
final class MemorySink: DownloadSink {
  enum Event: Equatable {
    case append(Int)
    case cut(Int64)
    case state(DownloadState)
  }

  private struct Content {
    var bytes: [UInt8]
    var events: [Event] = []
    var watchers: [(length: Int, gate: Gate)] = []
  }

  private let content: Mutex<Content>
  private let failure: TapedeckError?

  init(_ bytes: [UInt8] = [], failingWith failure: TapedeckError? = nil) {
    content = Mutex(Content(bytes: bytes))
    self.failure = failure
  }

  var bytes: [UInt8] { content.withLock { $0.bytes } }
  var events: [Event] { content.withLock { $0.events } }

  var length: Int64 { get async { Int64(bytes.count) } }

  func append(_ bytes: ByteBuffer) async throws(TapedeckError) {
    if let failure { throw failure }
    let reached = content.withLock { content in
      content.bytes += Array(bytes.readableBytesView)
      content.events.append(.append(bytes.readableBytes))
      let count = content.bytes.count
      defer { content.watchers.removeAll { $0.length <= count } }
      return content.watchers.filter { $0.length <= count }.map(\.gate)
    }
    for gate in reached { gate.open() }
  }

  func cut(to length: Int64) async throws(TapedeckError) {
    content.withLock {
      $0.bytes.removeSubrange(Int(length)...)
      $0.events.append(.cut(length))
    }
  }

  func bytes(in range: Range<Int64>) async throws(TapedeckError) -> [UInt8] {
    Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
  }

  func note(_ state: DownloadState) { content.withLock { $0.events.append(.state(state)) } }

  /// Opens when the sink holds this many bytes.
  func gate(at length: Int) -> Gate {
    let gate = Gate()
    content.withLock {
      if $0.bytes.count >= length { gate.open() } else { $0.watchers.append((length, gate)) }
    }
    return gate
  }
}

extension Tenant {
  /// Downloads the test recording.
  func download(_ state: DownloadState = DownloadState(), into sink: MemorySink) async throws -> DownloadState {
    try await source.download(PartLocator(recordingID), state: state, into: sink) { state throws(TapedeckError) in
      sink.note(state)
    }
  }
}

/// Distinct bytes at every position, so that a wrong join is visible; `version` makes another file of the same length.
func file(_ count: Int, version: UInt8 = 0) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8)) &+ version }
}
