package import CoreMetrics
import Synchronization

/// The program's metrics, in Prometheus' text format 0.0.4. Install it with `MetricsSystem.bootstrap`.
///
/// Recorders that aggregate and timers become histograms; a timer's unit is the second. Families are described in
/// `MetricDescriptions`. At most `seriesLimit` series are kept: what would be one more is counted in
/// `tapedeck_metrics_series_dropped_total` and otherwise ignored, so that no label can eat the memory.
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
    var dropped: Int64 = 0
  }

  private let state = Mutex(State())
  private let seriesLimit: Int

  package init(seriesLimit: Int = 10_000) { self.seriesLimit = seriesLimit }

  // MARK: MetricsFactory

  package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
    series(label, dimensions, .counter)
  }

  package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler
  {
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

  // Handlers live as long as the process: a series that vanishes and comes back would read as a restart.
  package func destroyCounter(_ handler: any CounterHandler) {}
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
  package func destroyMeter(_ handler: any MeterHandler) {}
  package func destroyRecorder(_ handler: any RecorderHandler) {}
  package func destroyTimer(_ handler: any TimerHandler) {}

  private func series(_ label: String, _ dimensions: [(String, String)], _ kind: Series.Kind) -> Series {
    let labels = dimensions.map { Label(name: sanitized($0.0), value: $0.1) }.sorted { $0.name < $1.name }
    let key = SeriesKey(name: sanitized(label), labels: labels)
    return state.withLock { state in
      if let known = state.series[key], known.kind == kind { return known }
      let made = Series(kind: kind)
      guard state.series[key] == nil, state.series.count < seriesLimit else {
        state.dropped += 1
        return made
      }
      state.series[key] = made
      return made
    }
  }

  // MARK: Rendering

  /// The text of a scrape: families and series in alphabetical order.
  package func render() -> String {
    let (series, dropped) = state.withLock { ($0.series, $0.dropped) }
    var out = ""
    for (name, members) in Dictionary(grouping: series, by: \.key.name).sorted(by: { $0.key < $1.key }) {
      guard let kind = members.first?.value.kind else { continue }
      if let help = MetricDescriptions.help[name] { out += "# HELP \(name) \(help)\n" }
      out += "# TYPE \(name) \(kind.rawValue)\n"
      for (key, member) in members.sorted(by: { $0.key.labels.description < $1.key.labels.description }) {
        let labels = key.labels.map { "\($0.name)=\"\(escaped($0.value))\"" }
        member.render(name: name, labels: labels, into: &out)
      }
    }
    out += "# TYPE tapedeck_metrics_series_dropped_total counter\ntapedeck_metrics_series_dropped_total \(dropped)\n"
    return out
  }

  /// Letters, digits and underscores; never a digit in front.
  private func sanitized(_ name: String) -> String {
    let text = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") ? $0 : "_" })
    return text.first?.isNumber == true ? "_" + text : text
  }

  private func escaped(_ value: String) -> String {
    value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
