import Model

/// The waiting requests. Requesters take turns, so that one with many jobs does not delay the others; the requests of
/// one requester are in order of arrival.
struct RequestQueue {
  typealias ID = UInt64
  typealias Continuation = CheckedContinuation<Result<Void, TapedeckError>, Never>

  private struct Waiting {
    var id: ID
    var ticket: RequestTicket
    var requester: String?
    var continuation: Continuation
  }

  /// The maximum number of tickets sent to the store at a time.
  private static let maxListLength = 256

  private var waiting: [Waiting] = []
  private var lastID: ID = 0
  /// When each requester last left the queue, as a serial number; forgotten when nothing waits.
  private var lastTurns: [String?: UInt64] = [:]
  private var turns: UInt64 = 0

  var isEmpty: Bool { waiting.isEmpty }

  mutating func makeID() -> ID {
    lastID += 1
    return lastID
  }

  /// - Returns: whether no other request of that kind waits.
  mutating func add(_ id: ID, _ ticket: RequestTicket, by requester: String?, _ continuation: Continuation) -> Bool {
    let isFirst = !waiting.contains { $0.ticket == ticket }
    waiting.append(Waiting(id: id, ticket: ticket, requester: requester, continuation: continuation))
    return isFirst
  }

  /// Removes a request from the queue; nil when it is no longer in it.
  mutating func remove(_ id: ID) -> Continuation? {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
    let request = waiting.remove(at: index)
    turns += 1
    lastTurns[request.requester] = turns
    if waiting.isEmpty { lastTurns = [:] }
    return request.continuation
  }

  /// The requests to take permits for: all of them, or in a long queue the first fresh and the first backfill
  /// requests, up to half of the list each.
  var first: (ids: [ID], tickets: [RequestTicket]) {
    let waiting = inTurn
    var chosen = waiting[...]
    if waiting.count > Self.maxListLength {
      let byPriority = Dictionary(grouping: waiting) { $0.ticket.priority }
      let fresh = (byPriority[.fresh] ?? []).prefix(Self.maxListLength / 2)
      chosen = fresh + (byPriority[.backfill] ?? []).prefix(Self.maxListLength / 2)
    }
    return (chosen.map(\.id), chosen.map(\.ticket))
  }

  /// First one request of each requester, those that were served longest ago first; then a second one of each.
  private var inTurn: [Waiting] {
    var rounds: [String?: Int] = [:]
    let numbered = waiting.enumerated().map { index, request in
      let round = rounds[request.requester, default: 0]
      rounds[request.requester] = round + 1
      return (round: round, turn: lastTurns[request.requester] ?? 0, index: index, request: request)
    }
    return numbered.sorted { ($0.round, $0.turn, $0.index) < ($1.round, $1.turn, $1.index) }.map(\.request)
  }
}
