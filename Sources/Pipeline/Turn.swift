import Model

/// One conversion's way from loaded, over running, to ended; gives back whichever place it holds.
actor Turn {
  private enum State { case loaded, running, ended }

  private let conversions: Slots
  private let loaded: Slots
  private var state = State.loaded
  /// When the bytes began to flow; nil before.
  private(set) var began: ContinuousClock.Instant?

  /// - Parameter loaded: a place of it is taken already.
  init(_ conversions: Slots, loaded: Slots) {
    self.conversions = conversions
    self.loaded = loaded
  }

  /// Waits for a conversion slot, the first time it is called.
  ///
  /// - Throws: `interrupted` when the task is cancelled.
  func begin() async throws(TapedeckError) {
    guard state == .loaded else { return }
    do { try await conversions.take() } catch { throw TapedeckError(.interrupted) }
    state = .running
    began = .now
    await loaded.give()
  }

  func end() async {
    defer { state = .ended }
    switch state {
    case .loaded: await loaded.give()
    case .running: await conversions.give()
    case .ended: break
    }
  }
}
