/// Assigns work to threads: a state machine without threads, time or locks.
///
/// Work starts in the order of arrival. Reads never use all threads, so that slow searches do not keep a worker from
/// renewing its leases.
struct WorkQueue<Payload: Sendable>: Sendable {
  enum Kind: Sendable { case read, write }

  struct Work: Sendable {
    let id: UInt64
    let kind: Kind
    let payload: Payload
  }

  /// What to do after work arrived.
  enum Arrival: Equatable {
    /// Start the thread with this number.
    case start(Int)
    /// Wake this sleeping thread.
    case wake(Int)
    /// All threads are busy; the next free one takes the work.
    case wait
    /// The queue is closed.
    case refuse
  }

  /// What a thread does next.
  enum Order {
    case work(Work)
    case sleep
    case end
  }

  /// The state of cancelled work.
  enum Cancellation {
    /// It had not started and is removed.
    case removed(Work)
    /// This thread is running it.
    case running(thread: Int)
    /// It has ended, or is unknown.
    case absent
  }

  private let threads: Int
  private let readers: Int
  private var started = 0
  private var sleeping: [Int] = []
  private var waiting: [Work] = []
  private var running: [Int: Work] = [:]
  private var isClosed = false

  /// - Parameter threads: the maximum number of threads; at least one.
  init(threads: Int) {
    self.threads = max(1, threads)
    readers = max(1, self.threads - max(1, self.threads / 4))
  }

  mutating func arrive(_ work: Work) -> Arrival {
    if isClosed { return .refuse }
    waiting.append(work)
    guard nextPlace != nil else { return .wait }
    // The thread that slept last, since its connection is the most likely to be intact.
    if let thread = sleeping.popLast() { return .wake(thread) }
    guard started < threads else { return .wait }
    started += 1
    return .start(started)
  }

  /// The next order for a thread that has finished its previous work.
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

  /// Closes the queue.
  ///
  /// - Returns: the work that had not started, the sleeping threads to wake so that they end, and the running reads.
  mutating func close() -> (refused: [Work], asleep: [Int], reading: [(thread: Int, work: UInt64)]) {
    isClosed = true
    defer { (waiting, sleeping) = ([], []) }
    let reading = running.filter { $0.value.kind == .read }.map { (thread: $0.key, work: $0.value.id) }
    return (waiting, sleeping, reading)
  }

  /// The index of the first work that may start.
  private var nextPlace: Int? {
    let reading = running.values.count { $0.kind == .read }
    return reading < readers ? waiting.indices.first : waiting.firstIndex { $0.kind == .write }
  }
}
