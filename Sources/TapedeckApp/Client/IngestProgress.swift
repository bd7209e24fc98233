import Foundation
import Model

/// What a terminal shows while recordings are archived: a bar for each recording in progress, and the total with the
/// rate and the remaining time.
package struct IngestProgress: Sendable {
  /// A recording that is not archived yet.
  package struct Item: Sendable {
    var id: String
    var stage: String
    var isRunning: Bool
    var bytes: Int64
    /// Nil until the platform has reported it.
    var totalBytes: Int64?

    package init(id: String, stage: String, isRunning: Bool, bytes: Int64, totalBytes: Int64?) {
      self.id = id
      self.stage = stage
      self.isRunning = isRunning
      self.bytes = bytes
      self.totalBytes = totalBytes
    }

    fileprivate var fraction: Double? {
      totalBytes.map { $0 > 0 ? min(1, Double(bytes) / Double($0)) : 0 }
    }
  }

  private let total: Int
  /// The number of recordings that were archived before this command began; they say nothing about the time left.
  package var alreadyArchived = 0
  package var archived = 0
  package var failed = 0
  /// The bytes of recordings that have ended.
  package var endedBytes: Int64 = 0
  package var items: [Item] = []
  private var samples: [(at: Duration, bytes: Int64)] = []

  private static let barLength = 24
  private static let maximumBars = 12
  /// The rate is that of the last ten seconds.
  private static let window = Duration.seconds(10)

  package init(total: Int) { self.total = total }

  private var ended: Int { archived + failed }
  private var bytes: Int64 { endedBytes + items.reduce(0) { $0 + $1.bytes } }

  /// The lines of the terminal.
  ///
  /// - Parameter elapsed: the time since the start; increases from call to call.
  package mutating func lines(width: Int, height: Int, elapsed: Duration) -> [String] {
    samples.append((elapsed, bytes))
    while samples.count > 2, elapsed - samples[1].at >= Self.window { samples.removeFirst() }
    let ordered = items.filter(\.isRunning) + items.filter { !$0.isRunning }
    let bars = ordered.prefix(max(1, min(Self.maximumBars, height - 4)))
    let more = total - ended - bars.count
    return bars.map { bar(of: $0, width: width - 1) } + (more > 0 ? ["and \(grouped(more)) more"] : [])
      + [summary(elapsed, width: width - 1)]
  }

  /// The bar, the whole ID and as much else as fits.
  private func bar(of item: Item, width: Int) -> String {
    var text = item.isRunning || item.bytes > 0 ? item.stage : "queued"
    if item.isRunning, item.stage == Stage.fetching.rawValue, let all = item.totalBytes {
      text += " \(megabytes(item.bytes)) of \(megabytes(all)) MB"
    }
    for length in [Self.barLength, 12, 6] {
      let filled = Int((item.fraction ?? 0) * Double(length))
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: length - filled)
      let line = "\(bar) \(item.id)  \(text)"
      if displayWidth(of: line) <= width { return line }
      let short = "\(bar) \(item.id)"
      if length == 6, displayWidth(of: short) <= width { return short }
    }
    return item.id
  }

  private func summary(_ elapsed: Duration, width: Int) -> String {
    var parts = ["\(grouped(ended)) of \(grouped(total)) done" + (failed > 0 ? ", \(grouped(failed)) failed" : "")]
    if bytes > 0 { parts.append("\(megabytes(bytes)) MB") }
    if let rate { parts.append("\(grouped(rate / 1e6, decimals: 1)) MB/s") }
    if let left = timeLeft(elapsed) { parts.append("about \(clock(left)) left") }
    while parts.count > 1, displayWidth(of: parts.joined(separator: " · ")) > width { parts.remove(at: 1) }
    return parts.joined(separator: " · ")
  }

  /// Bytes per second; nil until something was measured.
  private var rate: Double? {
    guard let first = samples.first, let last = samples.last, last.at - first.at >= .milliseconds(500) else {
      return nil
    }
    return Double(last.bytes - first.bytes) / (last.at - first.at).inSeconds
  }

  /// Seconds, from the share of the work that is done; nil while there is too little to judge by.
  private func timeLeft(_ elapsed: Duration) -> Int? {
    let all = Double(total - alreadyArchived)
    let done = Double(ended - alreadyArchived) + items.reduce(0) { $0 + ($1.fraction ?? 0) * 0.9 }
    guard all > done, done > 0, elapsed >= .seconds(1) else { return nil }
    let left = elapsed.inSeconds * (all - done) / done
    return left < 1e6 ? Int(left.rounded(.up)) : nil
  }

  private func megabytes(_ bytes: Int64) -> String { grouped(Double(bytes) / 1e6, decimals: 1) }
}
