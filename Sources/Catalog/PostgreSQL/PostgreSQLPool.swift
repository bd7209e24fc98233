import Dispatch
import Foundation
import Model
import Synchronization

/// A pool of threads with one connection each. libpq blocks, so its calls must not run on event loops or on Swift's
/// cooperative threads. Threads start on demand and run until the pool is closed.
final class PostgreSQLPool: Sendable {
  typealias Queue = WorkQueue<Payload>

  struct Payload: Sendable {
    /// Does the work. The returned closure resumes the caller; it is called when the thread is free again.
    let perform: @Sendable (PostgreSQLSession) -> (@Sendable () -> Void)
    /// Resumes the caller with an error without doing the work.
    let refuse: @Sendable (TapedeckError) -> Void
  }

  private struct Member: Sendable {
    let wake = DispatchSemaphore(value: 0)
    let interrupter = Interrupter()
  }

  private let makeSession: @Sendable (Interrupter) -> PostgreSQLSession
  private let queue: Mutex<Queue>
  private let members: [Member]
  private let numbers = Atomic<UInt64>(0)

  /// - Parameter makeSession: called on the thread that uses the session.
  init(connections: Int, makeSession: @escaping @Sendable (Interrupter) -> PostgreSQLSession) {
    self.makeSession = makeSession
    let connections = max(1, connections)
    queue = Mutex(Queue(threads: connections))
    members = (0..<connections).map { _ in Member() }
  }

  /// Runs work on a thread of the pool. Cancelling the task interrupts reads, but not writes.
  func run<T: Sendable>(
    _ kind: Queue.Kind, _ body: @escaping @Sendable (PostgreSQLSession) throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    if kind == .read, Task.isCancelled { throw TapedeckError(.interrupted) }
    let id = numbers.wrappingAdd(1, ordering: .relaxed).newValue
    let result: Result<T, TapedeckError> = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let payload = Payload(
          perform: { session in
            let result = Result { () throws(TapedeckError) in try body(session) }
            return { continuation.resume(returning: result) }
          },
          refuse: { continuation.resume(returning: .failure($0)) })
        submit(Queue.Work(id: id, kind: kind, payload: payload))
        // The task may have been cancelled before the work was submitted.
        if kind == .read, Task.isCancelled { cancel(id) }
      }
    } onCancel: {
      if kind == .read { cancel(id) }
    }
    return try result.get()
  }

  /// Finishes running writes, interrupts running reads and refuses all other work.
  func close() {
    let (refused, asleep, reading) = queue.withLock { $0.close() }
    for work in refused { work.payload.refuse(Self.closed) }
    for (thread, work) in reading { members[thread - 1].interrupter.interrupt(work) }
    for thread in asleep { members[thread - 1].wake.signal() }
  }

  private static var closed: TapedeckError { TapedeckError(.catalogFailed, detail: "the database was closed") }

  private func submit(_ work: Queue.Work) {
    switch queue.withLock({ $0.arrive(work) }) {
    case .start(let number):
      let thread = Thread { [self] in serve(as: number) }
      thread.name = "postgresql-\(number)"
      thread.start()
    case .wake(let number): members[number - 1].wake.signal()
    case .wait: break
    case .refuse: work.payload.refuse(Self.closed)
    }
  }

  private func cancel(_ id: UInt64) {
    switch queue.withLock({ $0.cancel(id) }) {
    case .removed(let work): work.payload.refuse(TapedeckError(.interrupted))
    case .running(let thread): members[thread - 1].interrupter.interrupt(id)
    case .absent: break
    }
  }

  /// The body of a thread.
  private func serve(as number: Int) {
    let member = members[number - 1]
    let session = makeSession(member.interrupter)
    var answer: (@Sendable () -> Void)?
    while true {
      let order = queue.withLock { $0.next(for: number) }
      // After `next`, so that a caller that submits more work finds this thread free.
      answer?()
      answer = nil
      switch order {
      case .work(let work):
        member.interrupter.begin(work.id)
        answer = work.payload.perform(session)
        member.interrupter.end()
      case .sleep: member.wake.wait()
      case .end: return
      }
    }
  }
}
