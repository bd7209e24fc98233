import Synchronization

/// Decides which password hash is computed next. Addresses take turns, so that one address cannot fill the queue, and
/// addresses that signed in before share the time equally with all others, so that a flood from new addresses does not
/// delay them.
package struct SignInQueue<Waiter> {
  /// Where a request for a hash comes from.
  package struct Place: Hashable, Sendable {
    /// A network address, or the ID of an identity.
    package var key: String
    /// Whether a sign-in from this address succeeded before, or the request is an identity's.
    package var isKnown: Bool

    package init(_ key: String, isKnown: Bool) {
      self.key = key
      self.isKnown = isKnown
    }
  }

  /// The places of one kind, in the order of their turns.
  private struct Group {
    var order: [String] = []
    var waiting: [String: [Waiter]] = [:]
    var count = 0

    mutating func next() -> Waiter? {
      guard let key = order.first, var own = waiting[key] else { return nil }
      order.removeFirst()
      let waiter = own.removeFirst()
      waiting[key] = own.isEmpty ? nil : own
      if !own.isEmpty { order.append(key) }
      count -= 1
      return waiter
    }
  }

  /// How many may wait in one place.
  private static var perKnownPlace: Int { 16 }
  private static var perNewPlace: Int { 4 }
  /// How many may wait in all places of one kind, to bound memory and connections.
  private let perGroup: Int

  private var known = Group()
  private var new = Group()
  private var knownIsNext = true

  package init(perGroup: Int = 512) { self.perGroup = perGroup }

  package var count: Int { known.count + new.count }

  /// Adds a waiter to its place.
  ///
  /// - Returns: false when too many wait already, and it was not added.
  package mutating func add(_ waiter: Waiter, at place: Place) -> Bool {
    place.isKnown
      ? Self.add(waiter, place.key, to: &known, limits: (Self.perKnownPlace, perGroup))
      : Self.add(waiter, place.key, to: &new, limits: (Self.perNewPlace, perGroup))
  }

  private static func add(
    _ waiter: Waiter, _ key: String, to group: inout Group, limits: (place: Int, group: Int)
  ) -> Bool {
    let own = group.waiting[key]?.count ?? 0
    guard own < limits.place, group.count < limits.group else { return false }
    if own == 0 { group.order.append(key) }
    group.waiting[key, default: []].append(waiter)
    group.count += 1
    return true
  }

  /// Removes the waiter whose turn it is.
  package mutating func next() -> Waiter? {
    let first = knownIsNext ? known.next() : new.next()
    let waiter = first ?? (knownIsNext ? new.next() : known.next())
    knownIsNext.toggle()
    return waiter
  }
}
