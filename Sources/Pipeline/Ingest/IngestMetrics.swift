import Metrics
import Model

/// What the pipeline counts; the names are listed in `docs/operations.md`.
enum IngestMetrics {
  static let resumes = Counter(label: "tapedeck_download_resumes_total")
  static let archivedBytes = Counter(label: "tapedeck_archived_bytes_total")
  /// From the moment when the platform first said "available" until the recording can be played, in seconds.
  static let readyDelay = Recorder(label: "tapedeck_ready_delay_seconds")

  static func record(_ time: StepTime) {
    Recorder(label: "tapedeck_step_seconds", dimensions: [("step", time.step.rawValue)])
      .record(time.duration.inSeconds)
  }

  static func recordEnd(_ outcome: String) {
    Counter(label: "tapedeck_jobs_ended_total", dimensions: [("outcome", outcome)]).increment()
  }
}
