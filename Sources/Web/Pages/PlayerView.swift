import Catalog
import Foundation
import Model
import ObjectStorage

/// The values of the player's template.
struct PlayerView {
  let visible: VisibleRecording
  /// The facts of `visible`.
  let recording: RecordingRow
  let part: MediaPart
  let steps: [StepTime]
  /// The latest reports of what was heard, newest first.
  let heard: [LogEntry]
  /// Whether `heard` has the reports of all identities, or only those of the one that looks.
  let showsEveryone: Bool
  /// When damaged files were last replaced.
  let repairedAt: Instant?
  let preferences: Preferences
  let times: PageTimes

  var heading: String {
    let facts = recording.facts
    let who = facts.agentName ?? facts.agentID ?? recording.key.id.rawValue
    let what = [facts.skillName ?? facts.campaignName, facts.direction?.rawValue].compactMap { $0 }
    return what.isEmpty ? who : "\(who) — \(what.joined(separator: ", "))"
  }

  /// Browsers play and seek these formats exactly, and the others not at all.
  private var isOriginalPlayable: Bool {
    part.original != nil
      && (part.codec.hasPrefix("pcm") || part.codec.hasPrefix("PCM") || part.codec.contains("law"))
  }

  var values: [String: Any?] {
    let path = "/audio/\(recording.key.pathSegment)"
    let isStereo = part.channels >= 2
    let started = recording.facts.startTime ?? recording.firstSeenAt
    return [
      "heading": heading, "started": times.values(started), "durationText": clock(part.duration),
      "subheading": recording.facts.contactID.map { "contact \($0)" },
      "tags": tags, "damageText": recording.damage,
      "mp3URL": "\(path).mp3", "originalURL": isOriginalPlayable ? "\(path)/original" : nil,
      "peaksURL": "\(path)/peaks", "durationSeconds": part.duration.inSeconds,
      "durationWhole": Int(part.duration.inSeconds), "stereo": isStereo,
      "lanes": isStereo
        ? [
          ["laneID": "agent", "laneName": "Agent", "channel": 0],
          ["laneID": "customer", "laneName": "Customer", "channel": 1],
        ] : [["laneID": "call", "laneName": "Call", "channel": 0]] as [[String: Any]],
      "facts": facts, "downloads": downloads(path), "files": files, "sourceText": recording.key.source.rawValue,
      "archived": recording.archivedAt.map(times.values), "verified": recording.verifiedAt.map(times.values),
      "repaired": repairedAt.map(times.values), "isDamaged": recording.damage != nil,
      "isOriginalMissing": part.original == nil,
      "heardURL": "/api/v1/recordings/\(recording.key.pathSegment)/heard",
      "speed": preferences.speed ?? 1, "volume": preferences.volume ?? 1,
      "skipsSilence": preferences.skipSilence ?? false, "listeningNote": listeningNote, "hasHeard": !heard.isEmpty,
      "heard": heard.map(row),
      "hasSteps": !steps.isEmpty,
      "steps": steps.map {
        [
          "stepName": $0.step.title, "began": times.values($0.startedAt), "tookText": took($0.duration),
        ] as [String: Any]
      },
    ]
  }

  private var listeningNote: String {
    let whose = showsEveryone ? "The passages" : "The passages that you played,"
    let none = showsEveryone ? "No playback has been reported yet." : "You have not played this recording."
    return heard.isEmpty
      ? none : "\(whose) as the player reported them, newest first."
  }

  private func row(_ entry: LogEntry) -> [String: Any] {
    [
      "heardAt": times.values(entry.at), "heardBy": entry.actor?.name ?? "",
      "heardText": entry.details["passages"].flatMap { Passages($0) }?.clockText ?? "Erased",
    ]
  }

  private var tags: [[String: String]] {
    var all = [tag("Ready", "ok")]
    if recording.damage != nil { all.append(tag("Damaged", "danger")) }
    if recording.facts.privacy == .restricted { all.append(tag("Restricted", "warn")) }
    if part.original != nil { all.append(tag("Original kept", "")) }
    return all
  }

  private var facts: [[String: Any]] {
    let facts = recording.facts
    let duration = facts.durationSeconds.map { clock(.seconds($0)) }
    let rows: [(String, String?, Bool)] = [
      ("Recording", recording.key.id.rawValue, true), ("Contact", facts.contactID, true),
      ("Agent", [facts.agentName, facts.agentID].compactMap { $0 }.joined(separator: " · "), false),
      ("Team", facts.teamID, false), ("Customer", visible.customer, visible.showsAddresses),
      ("Direction", facts.direction?.rawValue.capitalized, false), ("Skill", facts.skillName ?? facts.skillID, false),
      ("Campaign", facts.campaignName ?? facts.campaignID, false), ("Disposition", facts.disposition, false),
      ("Duration on the platform", duration, false), ("Privacy", facts.privacy.rawValue.capitalized, false),
      ("Source", recording.key.source.rawValue, false), ("Note", recording.warning, false),
    ]
    return rows.compactMap { label, value, isCopyable in
      guard let value, !value.isEmpty else { return nil }
      return ["factLabel": label, "factValue": value, "copyable": isCopyable]
    }
  }

  private func downloads(_ path: String) -> [[String: String]] {
    var all = [
      [
        "downloadURL": "\(path).mp3?download", "downloadText": "MP3",
        "downloadNote": counted(part.mp3.bytes, "byte"),
      ]
    ]
    if part.original != nil {
      all.append([
        "downloadURL": "\(path)/original?download", "downloadText": "Original (WAV)",
        "downloadNote": counted(part.sourceBytes, "byte"),
      ])
    }
    return all
  }

  private var files: [[String: String]] {
    let format =
      "\(part.codec), \(grouped(Int64(part.sampleRate))) Hz, \(counted(part.channels, "channel"))"
    return [
      [
        "fileLabel": "Original", "fileNote": "WAV, \(format) · \(counted(part.sourceBytes, "byte"))",
        "sha256": part.sourceHash.rawValue,
      ],
      ["fileLabel": "MP3", "fileNote": counted(part.mp3.bytes, "byte"), "sha256": part.mp3.hash.rawValue],
    ]
  }
}

extension Step {
  /// The text on pages.
  var title: String {
    switch self {
    case .waiting: "Wait for the platform"
    case .download: "Download"
    case .conversion: "Conversion"
    case .verification: "Integrity check"
    case .storage: "Storage"
    case .commit: "Commit"
    }
  }
}

/// What the template shows of a recording that cannot be played yet.
struct JobView {
  let key: RecordingKey
  /// The facts that are visible; nil without any.
  let recording: RecordingRow?
  let job: JobRow?
  let times: PageTimes

  var heading: String { recording?.facts.agentName.map { "\($0) — \(key.id)" } ?? key.id.rawValue }

  var values: [String: Any?] {
    let ingestURL = "/play/\(key.pathSegment)/ingest"
    var values: [String: Any?] = [
      "heading": heading, "started": recording?.facts.startTime.map(times.values), "tags": tagList,
    ]
    switch job?.runState {
    case nil: values["absent"] = ["ingestURL": ingestURL]
    case .failed, .cancelled:
      values["failed"] = ["failureText": job?.sentence ?? "", "ingestURL": ingestURL]
    case .idle, .leased, .waiting, .done: values["running"] = running
    }
    return values
  }

  private var tagList: [[String: String]] {
    switch job?.runState {
    case nil: [tag("Not archived", "")]
    case .failed, .cancelled: [tag("Failed", "danger")]
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
