/// A half-open interval of time: `start` belongs to it, `end` does not. One that ends before it starts is empty.
package struct Period: Sendable, Hashable {
  package var start: Instant
  package var end: Instant

  package init(start: Instant, end: Instant) {
    self.start = start
    self.end = end
  }

  package var isEmpty: Bool { end <= start }
  package var duration: Duration { isEmpty ? .zero : end - start }

  package func contains(_ instant: Instant) -> Bool { start <= instant && instant < end }
}
