/// Which thread does which work, and when: a state machine without threads, time or locks of its own.
///
/// Work is done in the order in which it came. Reads never take all threads, so that a crowd of slow searches does not
/// keep a worker from prolonging its leases.
struct WorkQueue<Payload: Sendable>: Sendable {
  enum Kind: Sendable { case read, write }

  struct Work: Sendable {
    let id: UInt64
    let kind: Kind
    let payload: Payload
  }

  /// What is to be done after work came in.
  enum Arrival: Equatable {
    /// A thread of this number, which does not exist yet, is to be started.
    case start(Int)
    /// This sleeping thread is to be woken.
    case wake(Int)
    /// All threads have something to do; the next that is done takes it.
    case wait
    /// The queue was closed.
    case refuse
  }

  /// What a thread is to do.
  enum Order {
    case work(Work)
    case sleep
    case end
  }

  /// What became of work that is no longer wanted.
  enum Cancellation {
    /// It had not begun and never will.
    case removed(Work)
    /// This thread is at it.
    case running(thread: Int)
    /// It is done, or never came.
    case absent
  }

  private let threads: Int
  private let readers: Int
  private var started = 0
  private var sleeping: [Int] = []
  private var waiting: [Work] = []
  private var running: [Int: Work] = [:]
  private var isClosed = false

  /// - Parameter threads: at most this many, at least one.
  init(threads: Int) {
    self.threads = max(1, threads)
    readers = max(1, self.threads - max(1, self.threads / 4))
  }

  mutating func arrive(_ work: Work) -> Arrival {
    if isClosed { return .refuse }
    waiting.append(work)
    guard nextPlace != nil else { return .wait }
    // The one that slept last: its connection is the warmest.
    if let thread = sleeping.popLast() { return .wake(thread) }
    guard started < threads else { return .wait }
    started += 1
    return .start(started)
  }

  /// What a thread does now. It has finished what it was given before.
  mutating func next(for thread: Int) -> Order {
    running[thread] = nil
    if let place = nextPlace {
      let work = waiting.remove(at: place)
      running[thread] = work
      return .work(work)
    }
    if isClosed { return .end }
    sleeping.append(thread)
    return .sleep
  }

  mutating func cancel(_ id: UInt64) -> Cancellation {
    if let place = waiting.firstIndex(where: { $0.id == id }) { return .removed(waiting.remove(at: place)) }
    if let thread = running.first(where: { $0.value.id == id })?.key { return .running(thread: thread) }
    return .absent
  }

  /// Takes no more work.
  ///
  /// - Returns: what had not begun, the threads to wake so that they end, and those that are at a read.
  mutating func close() -> (refused: [Work], asleep: [Int], reading: [(thread: Int, work: UInt64)]) {
    isClosed = true
    defer { (waiting, sleeping) = ([], []) }
    let reading = running.filter { $0.value.kind == .read }.map { (thread: $0.key, work: $0.value.id) }
    return (waiting, sleeping, reading)
  }

  /// Where the first work stands that may begin.
  private var nextPlace: Int? {
    let reading = running.values.count { $0.kind == .read }
    return reading < readers ? waiting.indices.first : waiting.firstIndex { $0.kind == .write }
  }
}
