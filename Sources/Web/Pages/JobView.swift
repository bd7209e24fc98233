import Catalog
import Model

/// What the template shows of a recording that cannot be played yet.
struct JobView {
  let key: RecordingKey
  /// The facts that are visible; nil without any.
  let recording: RecordingRow?
  let job: JobRow?
  /// Whether the reader may decide about files that were refused.
  let canDecide: Bool
  /// The number of such a file of this recording about which nothing is decided; nil without one.
  let undecided: Int64?
  let times: PageTimes

  var heading: String { recording?.facts.agentName.map { "\($0) — \(key.id)" } ?? key.id.rawValue }

  var values: [String: Any?] {
    let ingestURL = "/play/\(key.pathSegment)/ingest"
    var values: [String: Any?] = [
      "heading": heading, "started": recording?.facts.startTime.map(times.values), "tags": tagList,
    ]
    switch job?.runState {
    case nil: values["absent"] = ["ingestURL": ingestURL, "isListed": recording != nil] as [String: Any]
    case .failed, .cancelled:
      // Another download would most likely be refused too, so only those who can decide about the file request one.
      let awaitsDecision = undecided != nil && job?.failure?.code.quarantinesFile ?? false
      let failed: [String: Any?] = [
        "failureText": job?.sentence ?? "", "ingestURL": awaitsDecision && !canDecide ? nil : ingestURL,
        "quarantineURL": canDecide ? undecided.map { "/quarantine?cursor=\($0 + 1)#file-\($0)" } : nil,
        "asksSupervisor": awaitsDecision && !canDecide,
      ]
      values["failed"] = failed.compactMapValues { $0 }
    case .idle, .leased, .waiting, .done: values["running"] = running
    }
    return values
  }

  private var tagList: [[String: String]] {
    switch job?.runState {
    case nil: [tag("Not archived", "")]
    case .failed: [tag("Failed", "danger")]
    case .cancelled: [tag("Cancelled", "")]
    case .idle, .leased, .waiting, .done: [tag("In progress", "info")]
    }
  }

  private var running: [String: Any]? {
    guard let job else { return nil }
    let current = Stage.allCases.firstIndex(of: job.stage) ?? 0
    let stages = Stage.allCases.enumerated().map { index, stage -> [String: Any] in
      [
        "stageID": stage.rawValue, "stageName": stage.title,
        "stageState": index < current ? "done" : index == current ? "current" : "todo", "isCurrent": index == current,
      ]
    }
    var values: [String: Any] = [
      "jobURL": "/api/v1/jobs/\(job.id)", "stageID": job.stage.rawValue, "stages": stages, "message": job.sentence,
      "bytes": Int(job.bytes), "bytesText": "",
    ]
    if let total = job.totalBytes {
      values["totalBytes"] = Int(total)
      values["bytesText"] = "\(mebibytes(job.bytes)) of \(mebibytes(total))"
    }
    return values
  }
}

extension Stage {
  /// The text on pages.
  var title: String {
    switch self {
    case .queued: "Queued"
    case .awaiting: "Waiting for the platform"
    case .fetching: "Fetching"
    case .processing: "Processing"
    case .ready: "Ready"
    }
  }
}
