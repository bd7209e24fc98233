import CoreMetrics
import Synchronization

/// One series of a metric: one sample of a scrape, or the samples of one histogram.
final class Series: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler, TimerHandler {
  enum Kind: String { case counter, gauge, histogram }

  /// The upper bounds of histogram buckets in seconds: from fast requests to an hour of waiting.
  static let bounds: [Double] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600,
  ]

  private struct Figures {
    var value = 0.0
    var count: Int64 = 0
    var buckets: [Int64]
  }

  let kind: Kind
  private let figures: Mutex<Figures>

  init(kind: Kind) {
    self.kind = kind
    figures = Mutex(Figures(buckets: kind == .histogram ? Array(repeating: 0, count: Self.bounds.count) : []))
  }

  func increment(by amount: Int64) { increment(by: Double(amount)) }
  func increment(by amount: Double) { figures.withLock { $0.value += amount } }
  func decrement(by amount: Double) { figures.withLock { $0.value -= amount } }
  func reset() { figures.withLock { $0.value = 0 } }
  func set(_ value: Int64) { set(Double(value)) }
  func set(_ value: Double) { figures.withLock { $0.value = value } }
  func record(_ value: Int64) { record(Double(value)) }
  func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

  func record(_ value: Double) {
    // A single NaN or infinite value would make the sum useless from then on.
    guard value.isFinite || kind != .histogram else { return }
    figures.withLock { figures in
      guard kind == .histogram else {
        figures.value = value
        return
      }
      figures.value += value
      figures.count += 1
      if let index = Self.bounds.firstIndex(where: { value <= $0 }) { figures.buckets[index] += 1 }
    }
  }

  func render(name: String, labels: [String], into out: inout String) {
    let (value, count, buckets) = figures.withLock { ($0.value, $0.count, $0.buckets) }
    let suffix = labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
    guard kind == .histogram else {
      out += "\(name)\(suffix) \(text(value))\n"
      return
    }
    var sum: Int64 = 0
    for (bound, bucket) in zip(Self.bounds, buckets) {
      sum += bucket
      out += "\(name)_bucket{\((labels + ["le=\"\(text(bound))\""]).joined(separator: ","))} \(sum)\n"
    }
    out += "\(name)_bucket{\((labels + ["le=\"+Inf\""]).joined(separator: ","))} \(count)\n"
    out += "\(name)_sum\(suffix) \(text(value))\n\(name)_count\(suffix) \(count)\n"
  }

  private func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }
}
