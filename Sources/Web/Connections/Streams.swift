package import Model
package import NIOCore
import Synchronization

/// The long responses that are being sent, counted by identity.
package final class Streams: Sendable {
  /// One response. It counts until its last reference is released.
  package final class Stream: Sendable {
    fileprivate let channel: any Channel
    private let identity: String
    private let streams: Streams
    fileprivate let lastProgress: Mutex<Duration>

    fileprivate init(_ channel: any Channel, _ identity: String, _ streams: Streams) {
      self.channel = channel
      self.identity = identity
      self.streams = streams
      lastProgress = Mutex(streams.uptime())
    }

    deinit { streams.remove(ObjectIdentifier(self), of: identity) }

    /// Notes that the client has taken a piece.
    package func advance() { lastProgress.withLock { $0 = streams.uptime() } }
  }

  private struct Entry {
    weak var stream: Stream?
  }

  /// A stream whose client has read nothing for this long is closed when another one needs its place.
  private static let patience = Duration.seconds(10)

  private let limit: Int
  private let uptime: @Sendable () -> Duration
  private let open = Mutex([String: [ObjectIdentifier: Entry]]())

  /// - Parameter limit: the maximum number of streams of one identity.
  package init(limit: Int, uptime: @escaping @Sendable () -> Duration = SystemServices.system.uptime) {
    self.limit = limit
    self.uptime = uptime
  }

  /// Adds a stream; at the limit, closes the connection whose client has been reading nothing the longest.
  ///
  /// - Throws: `tooManyStreams` when all streams of the identity make progress.
  package func begin(for identity: String, on channel: any Channel) throws(TapedeckError) -> Stream {
    let stream = Stream(channel, identity, self)
    // Streams are released outside of the lock, as their end takes it.
    var streams: [Stream] = []
    var isFull = false
    open.withLock { open in
      streams = open[identity, default: [:]].values.compactMap(\.stream)
      isFull = streams.count >= limit
      if !isFull { open[identity, default: [:]][ObjectIdentifier(stream)] = Entry(stream: stream) }
    }
    guard isFull else { return stream }
    let latest = uptime() - Self.patience
    let stalled = streams.map { (stream: $0, time: $0.lastProgress.withLock { $0 }) }.filter { $0.time <= latest }
    guard let victim = stalled.min(by: { $0.time < $1.time })?.stream else {
      throw TapedeckError(.tooManyStreams, retryAfter: .seconds(10))
    }
    remove(ObjectIdentifier(victim), of: identity)
    victim.channel.abort()
    open.withLock { $0[identity, default: [:]][ObjectIdentifier(stream)] = Entry(stream: stream) }
    return stream
  }

  private func remove(_ id: ObjectIdentifier, of identity: String) {
    open.withLock { open in
      open[identity]?[id] = nil
      if open[identity]?.isEmpty == true { open[identity] = nil }
    }
  }
}
