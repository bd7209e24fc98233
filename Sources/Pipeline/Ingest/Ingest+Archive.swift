import Audio
import CXone
import Catalog
import CoreMetrics
import Logging
import Model
import ObjectStorage

extension Ingest {
  /// Moves a checked recording into the object store and commits it. Reads its privacy from the platform again first,
  /// unless the bytes came from the archive.
  ///
  /// - Returns: nil when the recording is archived; how to release the job when the platform cannot be asked now.
  func archive(
    _ checked: [CheckedPart], of media: PlannedMedia, job: JobRow, lease: JobLease
  ) async throws(TapedeckError) -> JobRelease? {
    let before = try await catalog.archived(job.key).flatMap { $0.parts.isEmpty ? nil : $0 }
    var remarks = checked.flatMap { part in notes(about: part, ofSeveral: checked.count > 1) }
    let facts: PlatformRecording
    if checked.allSatisfy(\.isFromArchive), let before {
      facts = before.recording.facts
    } else {
      switch try await checkPrivacy(of: job, source: try source(of: job)) {
      case .reported(let reported): facts = reported
      case .withdrawn(let known):
        facts = known
        remarks.append("The platform no longer reports its privacy, so only supervisors can open it.")
      case .later(let release): return release
      }
    }
    let storage = try await timed(.storage) { () async throws(TapedeckError) in
      try await store(checked, of: media, replacing: before, lease: lease)
    }
    let (parts, joined) = storage.value
    let start = ContinuousClock.now
    let now = system.now()
    let known = try await catalog.recording(job.key)
    var announced = facts
    // As the catalog stores it: the platform's value makes it stricter, never less strict.
    announced.privacy = max(facts.privacy, known?.facts.privacy ?? .standard)
    // For a recording with one part, its only file.
    func whole(_ parts: [MediaPart], _ joined: JoinedMedia?) -> MediaPart.File? { joined?.mp3 ?? parts.first?.mp3 }
    let hashes = parts.map(\.sourceHash)
    let isSame = before?.parts.map(\.sourceHash) == hashes
    guard let mp3 = whole(parts, joined) else { throw TapedeckError(.internalError, detail: "there is no part") }
    let bytes = parts.reduce(Int64(0)) { $0 + $1.sourceBytes }
    let sha256 = hashes.map(\.rawValue).joined(separator: " ")
    var details = ["sha256": sha256, "mp3_sha256": mp3.hash.rawValue]
    if let before, !isSame {
      details["previous_sha256"] = before.parts.map(\.sourceHash.rawValue).joined(separator: " ")
    }
    if !media.missing.isEmpty { details["missing_parts"] = "\(media.missing.count)" }
    // A repair that changed nothing that was announced is not announced again.
    let changed = !isSame || before.map { whole($0.parts, $0.recording.joined) } != mp3
    let event = ArchivedEvent(
      parts: parts, missing: media.missing, mp3: mp3, facts: announced, key: job.key,
      at: now, location: store.location)
    try await catalog.archive(
      Archive(
        key: job.key, facts: facts, parts: parts, joined: joined, missing: media.missing, at: now,
        archivedAt: isSame ? known?.archivedAt : nil, availableAt: known?.availableAt,
        warning: warning(about: parts, replacing: before, found: remarks),
        steps: total(checked.flatMap(\.steps)) + [storage.step],
        entry: LogEntry(
          at: now, action: before == nil ? .archive : .repair, outcome: .allowed, actor: nil, recording: job.key,
          count: bytes, details: details),
        message: settings.announces && changed ? (makeOpaqueID("msg"), event.json) : nil),
      lease: lease)
    let commit = StepTime(step: .commit, startedAt: now, duration: .now - start)
    IngestMetrics.record(commit)
    if before == nil {
      if let availableAt = known?.availableAt {
        IngestMetrics.readyDelay.record((system.now() - availableAt).inSeconds)
      }
      IngestMetrics.archivedBytes.increment(by: bytes)
    }
    // Not needed for correctness: after a crash before them, the next start cleans up.
    try? await catalog.recordStep(commit, of: job.id)
    // A heartbeat that finds the job done cancels this task; its files must still be removed.
    let spool = spool
    await Task { try? await spool.clear(lease) }.value
    logger.info(
      before == nil ? "recording archived" : "recording repaired",
      metadata: ["recording": "\(job.key)", "bytes": "\(bytes)", "sha256": "\(sha256)"])
    return nil
  }

  /// The steps of all parts together, one of each kind.
  private func total(_ steps: [StepTime]) -> [StepTime] {
    var all: [StepTime] = []
    for step in steps {
      if let place = all.firstIndex(where: { $0.step == step.step }) {
        all[place].startedAt = min(all[place].startedAt, step.startedAt)
        all[place].duration += step.duration
      } else {
        all.append(step)
      }
    }
    return all
  }

  private func timed<T>(
    _ step: Step, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> (value: T, step: StepTime) {
    let startedAt = system.now()
    let start = ContinuousClock.now
    let value = try await body()
    let time = StepTime(step: step, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(time)
    return (value, time)
  }

  /// What is unusual about a part, as sentences.
  private func notes(about part: CheckedPart, ofSeveral: Bool) -> [String] {
    let found =
      part.passed.warnings.map(sentence) + part.converted.conversion.warnings + (part.acceptance.map { [$0] } ?? [])
    return ofSeveral ? found.map { "Part \(part.file.part + 1): \($0)" } : found
  }

  private func sentence(_ warning: IntegrityCheck.Warning) -> String {
    switch warning {
    case .longerThanPlatform(let excess): "It is \(Int(excess.inSeconds.rounded())) s longer than the platform reports."
    case .lengthUnknown: "Its header does not say how long it is."
    case .unexplainedBytes(let bytes):
      "\(grouped(bytes)) bytes follow its audio that belong to no part of the file; they are not played."
    case .containerTooShort(let bytes): "\(grouped(bytes)) bytes follow its container's end."
    case .unevenEnd: "Its audio ends inside a sample."
    }
  }
}
