import Model
package import NIOCore
import Synchronization

/// The open connections of a listener. At a limit, the connection that has waited longest for a request is closed.
///
/// A connection waits for a request until the last byte of the request has arrived, so a client that sends slowly
/// counts as waiting.
package final class OpenConnections: Sendable {
  fileprivate struct Connection {
    let channel: any Channel
    /// Nil for a trusted proxy.
    let address: String?
    /// Its turn to be closed; nil while a request is answered.
    var turn: UInt64?
    /// Its turn to be closed among those that receive a body; nil when it receives none. Independent of `turn`: a
    /// request may be answered before its body has arrived.
    var receivingTurn: UInt64?
  }

  fileprivate struct State {
    var connections: [ObjectIdentifier: Connection] = [:]
    var counts: [String: Int] = [:]
    var waiting = TurnQueue()
    var waitingOfAddress: [String: TurnQueue] = [:]
    /// Those that receive a body.
    var receiving = TurnQueue()
    var receivingCount = 0
    var lastTurn: UInt64 = 0
  }

  private let limits: ConnectionLimits
  private let proxies: TrustedProxies
  private let state = Mutex(State())

  /// - Parameter proxies: addresses whose connections count in total only.
  package init(limits: ConnectionLimits, proxies: TrustedProxies) {
    self.limits = limits
    self.proxies = proxies
  }

  package var count: Int { state.withLock { $0.connections.count } }

  /// Adds a connection, and closes others, or this one if all others are answering requests.
  package func add(_ channel: any Channel) {
    let peer = channel.remoteAddress?.ipAddress
    let address = peer.flatMap { proxies.contains($0) ? nil : IPNetwork.plain($0) }
    let excess = state.withLock { state in
      state.connections[ObjectIdentifier(channel)] = Connection(channel: channel, address: address)
      if let address { state.counts[address, default: 0] += 1 }
      var excess: [any Channel] = []
      if let address, state.counts[address, default: 0] > limits.perAddress {
        excess.append(state.takeWaiting(of: address) ?? state.take(ObjectIdentifier(channel)) ?? channel)
      }
      if state.connections.count > limits.total {
        excess.append(state.takeWaiting(of: nil) ?? state.take(ObjectIdentifier(channel)) ?? channel)
      }
      state.wait(ObjectIdentifier(channel))
      return excess
    }
    for channel in excess { channel.close(promise: nil) }
  }

  /// Notes that a connection waits for its next request.
  package func wait(_ channel: any Channel) { state.withLock { $0.wait(ObjectIdentifier(channel)) } }

  /// Notes that a connection receives the body of a request. At the limit, the one that has been receiving the longest
  /// is closed.
  package func receive(_ channel: any Channel) {
    let excess = state.withLock { state in
      state.receive(ObjectIdentifier(channel))
      return state.receivingCount > limits.receiving ? state.takeReceiving() : nil
    }
    excess?.close(promise: nil)
  }

  /// Notes that a body has arrived completely.
  package func endReceiving(_ channel: any Channel) { state.withLock { $0.endReceiving(ObjectIdentifier(channel)) } }

  /// Notes that a request has arrived completely and is being answered.
  package func answer(_ channel: any Channel) {
    state.withLock { $0.connections[ObjectIdentifier(channel)]?.turn = nil }
  }

  package func remove(_ channel: any Channel) { state.withLock { _ = $0.take(ObjectIdentifier(channel)) } }
}

extension OpenConnections.State {
  fileprivate mutating func wait(_ id: ObjectIdentifier) {
    guard let connection = connections[id] else { return }
    lastTurn += 1
    connections[id]?.turn = lastTurn
    let isCurrent = isCurrent
    waiting.append(id, lastTurn, keeping: isCurrent)
    if let address = connection.address {
      waitingOfAddress[address, default: TurnQueue()].append(id, lastTurn, keeping: isCurrent)
    }
  }

  fileprivate mutating func receive(_ id: ObjectIdentifier) {
    guard let connection = connections[id], connection.receivingTurn == nil else { return }
    lastTurn += 1
    connections[id]?.receivingTurn = lastTurn
    receivingCount += 1
    receiving.append(id, lastTurn, keeping: isReceiving)
  }

  fileprivate mutating func endReceiving(_ id: ObjectIdentifier) {
    guard connections[id]?.receivingTurn != nil else { return }
    connections[id]?.receivingTurn = nil
    receivingCount -= 1
  }

  fileprivate mutating func takeReceiving() -> (any Channel)? {
    receiving.popFirst(where: isReceiving).flatMap { take($0) }
  }

  /// Removes the connection that has waited longest: of one address, or of all.
  fileprivate mutating func takeWaiting(of address: String?) -> (any Channel)? {
    firstWaiting(of: address).flatMap { take($0) }
  }

  private mutating func firstWaiting(of address: String?) -> ObjectIdentifier? {
    let isCurrent = isCurrent
    guard let address else { return waiting.popFirst(where: isCurrent) }
    return waitingOfAddress[address]?.popFirst(where: isCurrent)
  }

  fileprivate mutating func take(_ id: ObjectIdentifier) -> (any Channel)? {
    endReceiving(id)
    guard let connection = connections.removeValue(forKey: id) else { return nil }
    if let address = connection.address {
      let count = counts[address, default: 1] - 1
      counts[address] = count > 0 ? count : nil
      if count <= 0 { waitingOfAddress[address] = nil }
    }
    return connection.channel
  }

  private var isCurrent: (ObjectIdentifier, UInt64) -> Bool {
    let connections = connections
    return { id, turn in connections[id]?.turn == turn }
  }

  private var isReceiving: (ObjectIdentifier, UInt64) -> Bool {
    let connections = connections
    return { id, turn in connections[id]?.receivingTurn == turn }
  }
}

/// Connections in the order in which they began to wait. Entries that are out of date are skipped, and removed when
/// they are the majority.
private struct TurnQueue {
  private var entries: [(id: ObjectIdentifier, turn: UInt64)] = []
  private var first = 0
  private var sizeOfNextCleaning = 64

  mutating func append(
    _ id: ObjectIdentifier, _ turn: UInt64, keeping isCurrent: (ObjectIdentifier, UInt64) -> Bool
  ) {
    entries.append((id, turn))
    guard entries.count >= sizeOfNextCleaning else { return }
    entries = entries[first...].filter { isCurrent($0.id, $0.turn) }
    first = 0
    sizeOfNextCleaning = max(64, entries.count * 2)
  }

  mutating func popFirst(where isCurrent: (ObjectIdentifier, UInt64) -> Bool) -> ObjectIdentifier? {
    while first < entries.count {
      let entry = entries[first]
      first += 1
      if isCurrent(entry.id, entry.turn) { return entry.id }
    }
    return nil
  }
}
