import Logging
import Metrics
import CoreMetrics
final class Redactor: Sendable { static let shared = Redactor(); func add(_ s: String) {} }
func JSONLogHandler(label: String) -> any LogHandler { StreamLogHandler.standardError(label: label) }
func TextLogHandler(label: String) -> any LogHandler { StreamLogHandler.standardError(label: label) }
struct PrometheusExporter: Sendable { func render() -> String { "" } 
 var f: any MetricsFactory { NOOPMetricsHandler.instance } }
