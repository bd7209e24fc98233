import Model

/// The waiting requests in order of arrival.
struct RequestQueue {
  typealias ID = UInt64
  typealias Continuation = CheckedContinuation<Result<Void, TapedeckError>, Never>

  private struct Waiting {
    var id: ID
    var ticket: RequestTicket
    var continuation: Continuation
  }

  /// The maximum number of tickets sent to the store at a time.
  private static let maxListLength = 256

  private var waiting: [Waiting] = []
  private var lastID: ID = 0

  var isEmpty: Bool { waiting.isEmpty }

  mutating func makeID() -> ID {
    lastID += 1
    return lastID
  }

  /// - Returns: whether no other request of that kind waits.
  mutating func add(_ id: ID, _ ticket: RequestTicket, _ continuation: Continuation) -> Bool {
    let isFirst = !waiting.contains { $0.ticket == ticket }
    waiting.append(Waiting(id: id, ticket: ticket, continuation: continuation))
    return isFirst
  }

  /// Removes a request from the queue; nil when it is no longer in it.
  mutating func remove(_ id: ID) -> Continuation? {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
    return waiting.remove(at: index).continuation
  }

  /// The requests to take permits for: all of them, or in a long queue the first fresh and the first back-fill
  /// requests, up to half of the list each.
  var first: (ids: [ID], tickets: [RequestTicket]) {
    var chosen = waiting[...]
    if waiting.count > Self.maxListLength {
      let byPriority = Dictionary(grouping: waiting) { $0.ticket.priority }
      let fresh = (byPriority[.fresh] ?? []).prefix(Self.maxListLength / 2)
      chosen = fresh + (byPriority[.backfill] ?? []).prefix(Self.maxListLength / 2)
    }
    return (chosen.map(\.id), chosen.map(\.ticket))
  }
}
