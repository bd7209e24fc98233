package import CoreMetrics
import Synchronization

/// Exports metrics in Prometheus' text format 0.0.4. Install it with `MetricsSystem.bootstrap`.
///
/// Aggregating recorders and timers become histograms; timers are in seconds. `MetricDescriptions` describes the
/// families. Memory is bounded: beyond `seriesLimit` series, measurements of new ones are only counted in
/// `tapedeck_metrics_series_dropped_total`.
package final class PrometheusExporter: MetricsFactory {
  private struct SeriesKey: Hashable {
    var name: String
    var labels: [Label]
  }

  private struct Label: Hashable {
    var name: String
    var value: String
  }

  private struct State {
    var series: [SeriesKey: Series] = [:]
    /// The type of each family, set by its first series.
    var kinds: [String: Series.Kind] = [:]
  }

  private let state: Mutex<State>
  private let dropped = Series(kind: .counter)
  private let seriesLimit: Int

  package init(seriesLimit: Int = 10_000) {
    self.seriesLimit = seriesLimit
    let name = "tapedeck_metrics_series_dropped_total"
    state = Mutex(State(series: [SeriesKey(name: name, labels: []): dropped], kinds: [name: .counter]))
  }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    series(label, dimensions, .counter)
  }

  package func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler {
    series(label, dimensions, .counter)
  }

  package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
    series(label, dimensions, .gauge)
  }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler {
    series(label, dimensions, aggregate ? .histogram : .gauge)
  }

  package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
    series(label, dimensions, .histogram)
  }

  // Series are kept until the process ends: one that disappears and returns would look like a restart.
  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}

  private func series(_ label: String, _ dimensions: [(String, String)], _ kind: Series.Kind) -> Series {
    let key = SeriesKey(name: sanitized(label), labels: labels(dimensions, kind))
    return state.withLock { state in
      if let known = state.series[key], known.kind == kind { return known }
      guard state.series.count <= seriesLimit, state.kinds[key.name, default: kind] == kind else {
        dropped.increment(by: Int64(1))
        return Series(kind: kind)
      }
      let made = Series(kind: kind)
      state.series[key] = made
      state.kinds[key.name] = kind
      return made
    }
  }

  /// Labels sorted by name, each name once: names that differ only in forbidden characters would make the scrape
  /// invalid.
  private func labels(_ dimensions: [(String, String)], _ kind: Series.Kind) -> [Label] {
    var labels: [Label] = []
    for (dimension, value) in dimensions {
      var name = sanitized(dimension)
      if kind == .histogram, name == "le" { name = "le_" }
      if let index = labels.firstIndex(where: { $0.name == name }) {
        labels[index].value = value
      } else {
        labels.append(Label(name: name, value: value))
      }
    }
    return labels.count < 2 ? labels : labels.sorted { $0.name < $1.name }
  }

  // MARK: Rendering

  /// The text of a scrape: families and series in alphabetical order.
  package func render() -> String {
    let series = state.withLock { $0.series }
    var out = ""
    for (name, members) in Dictionary(grouping: series, by: \.key.name).sorted(by: { $0.key < $1.key }) {
      guard let kind = members.first?.value.kind else { continue }
      if let help = MetricDescriptions.help[name] { out += "# HELP \(name) \(help)\n" }
      out += "# TYPE \(name) \(kind.rawValue)\n"
      let lines = members.map { key, member in
        (labels: key.labels.map { "\($0.name)=\"\(escaped($0.value))\"" }, member: member)
      }
      for (labels, member) in lines.sorted(by: { $0.labels.lexicographicallyPrecedes($1.labels) }) {
        member.render(name: name, labels: labels, into: &out)
      }
    }
    return out
  }

  /// A valid name: letters, digits and underscores, not starting with a digit.
  private func sanitized(_ name: String) -> String {
    func isAllowed(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
      default: false
      }
    }
    let startsWell = name.utf8.first.map { !(0x30...0x39).contains($0) } ?? false
    if startsWell, name.utf8.allSatisfy(isAllowed) { return name }
    let kept = name.utf8.map { isAllowed($0) ? $0 : 0x5F }
    return (startsWell ? "" : "_") + String(decoding: kept, as: UTF8.self)
  }

  /// Escapes by scalars: as a `Character`, a line feed after a carriage return would not be found.
  private func escaped(_ value: String) -> String {
    guard value.utf8.contains(where: { $0 == 0x5C || $0 == 0x22 || $0 == 0x0A }) else { return value }
    var out = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": out += "\\\\"
      case "\"": out += "\\\""
      case "\n": out += "\\n"
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }
}
