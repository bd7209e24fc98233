import CoreMetrics
import Observability
import Testing

struct PrometheusExporterTests {
  private let exporter = PrometheusExporter()

  private func scrape() throws -> Scrape { try Scrape(exporter.render()) }

  @Test func `a new exporter renders a valid scrape`() throws {
    #expect(try scrape().value("tapedeck_metrics_series_dropped_total") == 0)
  }

  @Test(arguments: [
    "tapedeck_damaged_recordings", "tapedeck_stray_objects_total", "tapedeck_verified_objects_total",
    "tapedeck_verified_bytes_total",
  ])
  func `metrics for operators have a help text`(name: String) {
    Counter(label: name, factory: exporter).increment()
    #expect(exporter.render().contains("# HELP \(name) "))
  }

  @Test func `counters add whole and fractional amounts`() throws {
    let counter = Counter(label: "jobs_total", dimensions: [("outcome", "ready")], factory: exporter)
    counter.increment(by: 3)
    // Another object with the same label is the same series.
    Counter(label: "jobs_total", dimensions: [("outcome", "ready")], factory: exporter).increment()
    FloatingPointCounter(label: "seconds_total", factory: exporter).increment(by: 0.5)
    let scrape = try scrape()
    #expect(scrape.types["jobs_total"] == "counter")
    #expect(scrape.value("jobs_total", ["outcome": "ready"]) == 4)
    #expect(scrape.value("seconds_total") == 0.5)
  }

  @Test func `gauges and meters show the last value`() throws {
    let gauge = Gauge(label: "jobs", dimensions: [("stage", "queued"), ("state", "idle")], factory: exporter)
    gauge.record(7)
    gauge.record(2)
    let same = Gauge(label: "jobs", dimensions: [("state", "idle"), ("stage", "queued")], factory: exporter)
    same.record(5)
    let meter = Meter(label: "free_bytes", factory: exporter)
    meter.set(12.5)
    meter.increment(by: 1)
    meter.decrement(by: 3)
    let scrape = try scrape()
    #expect(scrape.types["jobs"] == "gauge")
    #expect(scrape.value("jobs", ["stage": "queued", "state": "idle"]) == 5)
    #expect(scrape.value("free_bytes") == 10.5)
  }

  @Test func `timers become histograms in seconds`() throws {
    let timer = CoreMetrics.Timer(label: "step_seconds", dimensions: [("step", "download")], factory: exporter)
    timer.recordMilliseconds(5)
    timer.recordMilliseconds(700)
    timer.recordSeconds(100_000)
    let scrape = try scrape()
    #expect(scrape.types["step_seconds"] == "histogram")
    let bucket = { scrape.value("step_seconds_bucket", ["step": "download", "le": $0]) }
    #expect(bucket("0.005") == 1)
    #expect(bucket("0.5") == 1)
    #expect(bucket("1") == 2)
    #expect(bucket("600") == 2)
    #expect(bucket("+Inf") == 3)
    #expect(scrape.value("step_seconds_count", ["step": "download"]) == 3)
    #expect(scrape.value("step_seconds_sum", ["step": "download"]) == 100_000.705)
  }

  @Test func `a known family has a help text`() throws {
    Counter(label: "tapedeck_platform_requests_total", factory: exporter).increment()
    #expect(try scrape().help["tapedeck_platform_requests_total"]?.isEmpty == false)
  }

  @Test(arguments: ["a\"b\\c\nd", "\r\n", "\u{301}\"\u{301}", "{}=,", ""])
  func `any label value is preserved`(value: String) throws {
    Counter(label: "things_total", dimensions: [("what", value)], factory: exporter).increment()
    let scrape = try scrape()
    let found = scrape.samples.first { $0.name == "things_total" }?.labels["what"]
    #expect(found.map { Array($0.utf8) } == Array(value.utf8))
  }

  @Test(arguments: [("http.requests-total", "http_requests_total"), ("2xx", "_2xx"), ("größe", "gr____e"), ("", "_")])
  func `invalid names are made valid`(name: String, expected: String) throws {
    Counter(label: name, dimensions: [(name, "x")], factory: exporter).increment()
    let scrape = try scrape()
    #expect(scrape.value(expected, [expected: "x"]) == 1)
  }

  @Test func `colliding label names keep the scrape valid`() throws {
    Counter(label: "a_total", dimensions: [("x.y", "1"), ("x-y", "2")], factory: exporter).increment()
    Recorder(label: "b", dimensions: [("le", "mine")], factory: exporter).record(1)
    let scrape = try scrape()
    #expect(scrape.value("a_total", ["x_y": "2"]) == 1)
    #expect(scrape.value("b_count", ["le_": "mine"]) == 1)
  }

  @Test func `a family has one type`() throws {
    Counter(label: "thing", dimensions: [("k", "1")], factory: exporter).increment()
    Recorder(label: "thing", dimensions: [("k", "2")], factory: exporter).record(1)
    let scrape = try scrape()
    #expect(scrape.types["thing"] == "counter")
    #expect(scrape.samples.count { $0.name.hasPrefix("thing") } == 1)
    #expect(scrape.value("tapedeck_metrics_series_dropped_total") == 1)
  }

  @Test func `the number of series is bounded`() throws {
    let small = PrometheusExporter(seriesLimit: 10)
    for number in 0..<100 {
      Counter(label: "requests_total", dimensions: [("path", "/\(number)")], factory: small).increment()
    }
    let scrape = try Scrape(small.render())
    #expect(scrape.samples.count { $0.name == "requests_total" } == 10)
    #expect(scrape.value("tapedeck_metrics_series_dropped_total") == 90)
  }

  @Test func `NaN and infinite values follow the format`() throws {
    Gauge(label: "a", factory: exporter).record(Double.nan)
    Gauge(label: "b", factory: exporter).record(-Double.infinity)
    Gauge(label: "c", factory: exporter).record(1e300)
    Recorder(label: "d", factory: exporter).record(Double.nan)
    let text = exporter.render()
    #expect(text.contains("\na NaN\n"))
    #expect(text.contains("\nb -Inf\n"))
    let scrape = try Scrape(text)
    #expect(scrape.value("c") == 1e300)
    #expect(scrape.value("d_sum") == 0)
  }

  @Test func `concurrent increments are all counted`() async throws {
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for _ in 0..<1000 {
            Counter(label: "hits_total", dimensions: [("task", "\(task % 2)")], factory: exporter).increment()
          }
        }
      }
    }
    let scrape = try scrape()
    #expect(scrape.value("hits_total", ["task": "0"]) == 4000)
    #expect(scrape.value("hits_total", ["task": "1"]) == 4000)
  }
}
