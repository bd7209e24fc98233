package import Model

/// Runs a loop once, and again whenever it is notified or the pause that it asked for is over.
///
/// Notifications during a run are merged into one further run, so none is lost. One task calls `run`; any may notify.
package struct WakeUps: Sendable {
  /// When the loop runs again.
  package enum Next: Sendable {
    case whenNotified
    /// After this time at the latest.
    case within(Duration)
    case never
  }

  private let notifications: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation
  private let system: SystemServices

  package init(system: SystemServices) {
    self.system = system
    (notifications, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
  }

  package func notify() { continuation.yield() }

  /// Calls `body` repeatedly until it returns `never` or the task is cancelled.
  package func run(_ body: () async -> Next) async {
    notify()
    var timer: Task<Void, Never>?
    defer { timer?.cancel() }
    for await _ in notifications {
      timer?.cancel()
      switch await body() {
      case .never: return
      case .whenNotified: timer = nil
      case .within(let pause):
        // Unstructured, because each run replaces the timer of the last one.
        timer = Task { [system, continuation] in
          if (try? await system.sleep(pause)) != nil { continuation.yield() }
        }
      }
    }
  }
}
