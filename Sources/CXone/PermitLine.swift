import Model

/// Those who wait for a request, in the order of their coming.
struct PermitLine {
  typealias Ticket = UInt64
  typealias Continuation = CheckedContinuation<Result<Void, TapedeckError>, Never>

  private struct Waiting {
    var ticket: Ticket
    var wish: RequestWish
    var continuation: Continuation
  }

  /// Drawn for at a time; more would only make the list long that travels to the store.
  private static let longestList = 256

  private var waiting: [Waiting] = []
  private var lastTicket: Ticket = 0

  var isEmpty: Bool { waiting.isEmpty }

  mutating func makeTicket() -> Ticket {
    lastTicket += 1
    return lastTicket
  }

  /// - Returns: whether nobody else waits for a request of that kind.
  mutating func add(_ ticket: Ticket, _ wish: RequestWish, _ continuation: Continuation) -> Bool {
    let isFirst = !waiting.contains { $0.wish == wish }
    waiting.append(Waiting(ticket: ticket, wish: wish, continuation: continuation))
    return isFirst
  }

  /// Takes somebody out of the line; nil when they are not in it any more.
  mutating func remove(_ ticket: Ticket) -> Continuation? {
    guard let index = waiting.firstIndex(where: { $0.ticket == ticket }) else { return nil }
    return waiting.remove(at: index).continuation
  }

  /// Those to draw for now: everybody, or of a long line the first fresh ones and the first of back-fill, up to half of the
  /// list each.
  var first: (tickets: [Ticket], wishes: [RequestWish]) {
    var chosen = waiting[...]
    if waiting.count > Self.longestList {
      let byPriority = Dictionary(grouping: waiting) { $0.wish.priority }
      let fresh = (byPriority[.fresh] ?? []).prefix(Self.longestList / 2)
      chosen = fresh + (byPriority[.backfill] ?? []).prefix(Self.longestList / 2)
    }
    return (chosen.map(\.ticket), chosen.map(\.wish))
  }
}
