import Catalog
import Foundation
import Model
import ObjectStorage

/// The values of the player's template.
struct PlayerView {
  let visible: VisibleRecording
  /// The facts of `visible`.
  let recording: RecordingRow
  /// At least one.
  let parts: [MediaPart]
  let whole: WholeFiles
  /// The files of `whole` that are damaged or missing.
  let unusable: Set<FileKind>
  let steps: [StepTime]
  /// The latest reports of what was heard, newest first.
  let heard: [LogEntry]
  /// How often each action on the recording was allowed.
  let counts: [LogEntry.Action: Int64]
  /// Whether `heard` and `counts` are about all identities, or only about the viewer's.
  let showsEveryone: Bool
  /// When damaged files were last replaced.
  let repairedAt: Instant?
  /// How the original was accepted, if it was refused.
  let acceptance: Acceptance?
  let preferences: Preferences
  let times: PageTimes

  var heading: String {
    let facts = recording.facts
    let who = facts.agentName ?? facts.agentID ?? recording.key.id.rawValue
    let what = [facts.skillName ?? facts.campaignName, facts.direction?.rawValue].compactMap { $0 }
    return what.isEmpty ? who : "\(who) — \(what.joined(separator: ", "))"
  }

  /// Browsers play these formats and seek in them exactly. For other originals, and for several parts, the player uses
  /// the MP3.
  private var isOriginalPlayable: Bool {
    guard let part = parts.first, whole[.original]?.name.kind == .wav, !unusable.contains(.original) else {
      return false
    }
    return part.codec.hasPrefix("pcm") || part.codec.hasPrefix("PCM") || part.codec.contains("law")
  }

  /// The length of the whole audio.
  private var duration: Duration { parts.map(\.end).max() ?? .zero }

  var isStereo: Bool { parts.contains { $0.channels >= 2 } }

  var values: [String: Any?] {
    let path = "/audio/\(recording.key.pathSegment)"
    let started = recording.facts.startTime ?? recording.firstSeenAt
    let original = isOriginalPlayable ? "\(path)/original" : nil
    // Without the MP3, the original is the only file that is played.
    let mp3 = unusable.contains(.mp3) ? nil : "\(path).mp3"
    return [
      "heading": heading, "started": times.values(started), "durationText": clock(duration),
      "subheading": recording.facts.contactID.map { "contact \($0)" },
      "tags": tags, "damage": recording.damage.map(values(of:)), "isPlayable": mp3 ?? original != nil,
      "mp3URL": mp3 ?? original, "originalURL": mp3 == nil ? nil : original,
      "peaksURL": unusable.contains(.peaks) ? nil : "\(path)/peaks", "durationSeconds": duration.inSeconds,
      "durationWhole": Int(duration.inSeconds), "stereo": isStereo, "lanes": lanes, "partialText": partialText,
      "passagesJSON": passagesJSON, "hasPassages": !passages.isEmpty, "passages": passageRows,
      "facts": facts, "downloads": downloads(path), "files": files, "sourceText": recording.key.source.rawValue,
      "archived": recording.archivedAt.map(times.values), "verified": recording.verifiedAt.map(times.values),
      "repaired": repairedAt.map(times.values), "isDamaged": recording.damage != nil,
      "isOriginalMissing": parts.contains { $0.original == nil }, "acceptance": acceptance.map(values),
      "heardURL": "/api/v1/recordings/\(recording.key.pathSegment)/heard",
      "speed": preferences.speed ?? 1, "volume": preferences.volume ?? 1,
      "skipsSilence": preferences.skipSilence ?? false, "listeningNote": listeningNote, "logURL": logURL,
      "hasHeard": !heard.isEmpty,
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
    if !heard.isEmpty {
      return ["\(whose) as the player reported them, newest first.", usage].compactMap { $0 }.joined(separator: " ")
    }
    return usage.map { "No passages have been reported. \($0)" }
      ?? (showsEveryone ? "No playback has been reported yet." : "You have not played this recording.")
  }

  /// How often the audio was played or downloaded, with or without a report of passages: programs send none.
  private var usage: String? {
    func times(_ action: LogEntry.Action) -> String? {
      counts[action].flatMap { $0 == 0 ? nil : $0 == 1 ? "once" : counted($0, "time") }
    }
    let (played, downloaded) = (times(.listen), times(.download))
    guard played != nil || downloaded != nil else { return nil }
    if showsEveryone {
      guard let played else { return downloaded.map { "Downloaded \($0)." } }
      return "Played \(played)\(downloaded.map { ", downloaded \($0)" } ?? "")."
    }
    let parts = [played.map { "started playback \($0)" }, downloaded.map { "downloaded the recording \($0)" }]
      .compactMap { $0 }
    return "You \(parts.joined(separator: " and "))."
  }

  /// The access log of this recording, for those who may read it.
  private var logURL: String? {
    guard showsEveryone else { return nil }
    let key = recording.key
    return QueryLinks(path: "/audit", values: ["recording": key.id.rawValue, "source": key.source.rawValue])
      .url(setting: "cursor", to: nil)
  }

  private func row(_ entry: LogEntry) -> [String: Any] {
    let heard = entry.details["passages"].flatMap { Passages($0) }?.clockText ?? "Erased"
    let note = entry.details["sent"].map { " (\($0))" } ?? ""
    return [
      "heardAt": times.values(entry.at), "heardBy": entry.actor?.shownName ?? "", "heardText": heard + note,
    ]
  }

  private var tags: [[String: String]] {
    var all = archiveTags(of: recording)
    if recording.facts.privacy == .restricted { all.append(tag("Restricted", "warn")) }
    if parts.allSatisfy({ $0.original != nil }), !unusable.contains(.original) { all.append(tag("Original kept", "")) }
    return all
  }

  /// The damage, with its time in the time zone of the page.
  private func values(of damage: DamageNote) -> [String: Any] {
    ["finding": damage.finding, "found": times.values(damage.foundAt), "repairText": damage.repairText]
  }

  private func values(of acceptance: Acceptance) -> [String: Any] {
    [
      "failedAt": times.values(acceptance.failedAt), "findingText": acceptance.finding,
      "acceptedAt": times.values(acceptance.acceptedAt), "acceptedBy": acceptance.acceptedBy,
      "reasonText": acceptance.reason,
    ]
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
    func download(_ text: String, _ url: String, _ bytes: Int64, isUsable: Bool) -> [String: String] {
      isUsable
        ? ["downloadText": text, "downloadURL": url, "downloadNote": counted(bytes, "byte")]
        : ["downloadText": text, "downloadNote": "damaged or missing"]
    }
    var all = [
      download("MP3", "\(path).mp3?download", whole[.mp3]?.bytes ?? 0, isUsable: !unusable.contains(.mp3))
    ]
    for part in parts {
      guard let original = part.original else { continue }
      let damage = recording.damage?.unusableFiles(ofPart: part.part) ?? []
      let isUsable = !damage.contains(.original) && (isSingle ? !unusable.contains(.original) : true)
      all.append(
        download(
          "Original\(suffix(of: part)) (\(original.kind.rawValue.uppercased()))",
          "\(path)/original?download\(isSingle ? "" : "&part=\(part.part + 1)")", part.sourceBytes,
          isUsable: isUsable))
    }
    return all
  }

  private var isSingle: Bool { parts.count == 1 }

  /// What is appended to the name of a file of one of several parts.
  private func suffix(of part: MediaPart) -> String { isSingle ? "" : " of part \(part.part + 1)" }

  private var files: [[String: String]] {
    var files = parts.map { part in
      let format = [
        part.original?.kind.rawValue.uppercased(), part.codec, "\(grouped(Int64(part.sampleRate))) Hz",
        counted(part.channels, "channel"),
      ].compactMap { $0 }.joined(separator: ", ")
      return [
        "fileLabel": "Original\(suffix(of: part))", "fileNote": "\(format) · \(counted(part.sourceBytes, "byte"))",
        "sha256": part.sourceHash.rawValue,
      ]
    }
    if let mp3 = whole[.mp3] {
      files.append(["fileLabel": "MP3", "fileNote": counted(mp3.bytes, "byte"), "sha256": mp3.hash.rawValue])
    }
    return files
  }
}

/// The tags of a recording in the archive. A recording with known damage is not called ready.
func archiveTags(of recording: RecordingRow) -> [[String: String]] {
  var tags = [recording.damage == nil ? tag("Ready", "ok") : tag("Damaged", "danger")]
  if recording.isPartial { tags.append(tag("Partial", "warn")) }
  if recording.isAccepted { tags.append(tag("Accepted despite failure", "warn")) }
  return tags
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
