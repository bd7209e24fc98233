package import Catalog
package import Logging
package import Model
package import ObjectStorage

/// Reads the archive's bytes back, compares them with the catalog, and has what is damaged repaired.
///
/// A file is damaged when it could be read and is another, missing when the store says so. A store that cannot be read
/// is no damage: it is told, and nothing is changed.
package struct Verifier: Sendable {
  /// What becomes of damage.
  package enum Mode: Sendable, Equatable {
    /// It is told; nothing is changed.
    case look
    /// It is marked, moved to quarantine and repaired. With `insisting`, also when the store seems to be away.
    case repair(insisting: Bool = false)
  }

  let catalog: Catalog
  let store: any ObjectStore
  let surroundings: Surroundings
  let logger: Logger
  /// Whoever found damage acts alone, so that the next one finds it done.
  private let acting = Slots(1)
  /// What `scrub` puts off until the rest of its share is verified.
  let unreadable = UnreadableRecordings()

  package init(catalog: Catalog, store: any ObjectStore, surroundings: Surroundings, logger: Logger) {
    self.catalog = catalog
    self.store = store
    self.surroundings = surroundings
    self.logger = logger
  }

  // MARK: One recording

  /// Verifies one recording. That it is whole is not noted yet; see `note`.
  ///
  /// - Throws: `catalogFailed`, `interrupted`; `storageFailed` when the store seems to be away or could not be changed.
  package func verify(_ key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    let seen = try await look(at: key, mode)
    report(seen)
    guard case .repair = mode, seen.verdict == .damaged else { return seen }
    do { try await acting.take() } catch { throw TapedeckError(.interrupted) }
    do throws(TapedeckError) {
      let done = try await act(on: key, mode)
      await acting.give()
      return done
    } catch {
      await acting.give()
      throw error
    }
  }

  /// Notes that recordings were found whole.
  package func note(_ verifications: [Verification]) async throws(TapedeckError) {
    try await catalog.noteWhole(
      verifications.filter { $0.verdict == .whole }.compactMap(\.recording), at: surroundings.now())
  }

  private func look(at key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    var seen = Verification(key: key)
    guard let (recording, parts) = try await catalog.archived(key), recording.archivedAt != nil else { return seen }
    seen.recording = recording
    seen.isWithoutFiles = parts.isEmpty
    seen.keepsOriginal = !parts.isEmpty && parts.allSatisfy { $0.originalKey != nil }
    for file in ArchivedFile.all(of: parts) {
      let (state, bytes) = try await check(file)
      seen.objects += 1
      seen.bytes += bytes
      if let state { seen.findings.append(Finding(file: file, state: state)) }
      VerificationMetrics.record(state.map { Finding(file: file, state: $0).word } ?? "whole", bytes: bytes)
    }
    if mode != .repair(insisting: true), seen.findings.contains(where: { !$0.isDamaged && !$0.isUnreadable }) {
      try await requireStore()
    }
    return seen
  }

  private func check(_ file: ArchivedFile) async throws(TapedeckError) -> (state: Finding.State?, bytes: Int64) {
    // A row that names no object has lost it.
    guard let key = ObjectKey(file.key) else { return (.missing, 0) }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    do throws(TapedeckError) {
      let found = try await store.sha256(of: key)
      let isWhole = found == (file.sha256, file.bytes)
      return (isWhole ? nil : .damaged(sha256: found.sha256, bytes: found.bytes), found.bytes)
    } catch {
      switch error.code {
      case .objectMissing: return (.missing, 0)
      case .objectDamaged: return (.damaged(sha256: nil, bytes: nil), 0)
      case .interrupted: throw error
      default: return (.unreadable(error), 0)
      }
    }
  }

  private func report(_ seen: Verification) {
    guard seen.verdict == .unreadable else { return }
    logger.error(
      "a recording cannot be verified, because the store cannot be read",
      metadata: ["recording": "\(seen.key)", "reason": "\(seen.findings.map(\.sentence).joined(separator: " "))"])
  }

  // MARK: Acting

  /// Marks, moves away and has repaired. Each step may be the last one before a crash: a recording that is marked is
  /// looked at again at the next start.
  private func act(on key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    // Again, under the row as it is now: an ingest or another verification may have put whole files there meanwhile.
    var seen = try await look(at: key, mode)
    guard let damage = seen.damage else { return seen }
    let damages = [damage] + (try await damagesOfOthers(seen))
    let now = surroundings.now()
    try await catalog.noteDamage(damages, at: now)
    for damage in damages {
      logger.error(
        "files of the archive are damaged or missing",
        metadata: ["recording": "\(damage.key)", "finding": "\(damage.finding)", "files": "\(damage.details)"])
    }
    for finding in seen.findings where finding.isDamaged {
      guard let object = ObjectKey(finding.file.key) else { continue }
      try await moveAway(object, because: "\(finding.sentence) Recording \(key).")
    }
    // A job that stored a whole file at this moment had it moved away with the name of the damaged one.
    let jobs = try await catalog.requestRepair(
      of: damages, preempting: seen.findings.contains(where: \.isDamaged), at: surroundings.now())
    seen.repair = jobs.first { $0.key == key }
    return seen
  }

  private func moveAway(_ object: ObjectKey, because reason: String) async throws(TapedeckError) {
    do throws(TapedeckError) { try await store.quarantine(object, because: reason) } catch {
      // Another node may have moved it away at this moment.
      let failure = error
      do throws(TapedeckError) { _ = try await store.sha256(of: object) } catch {
        if error.code == .objectMissing { return }
      }
      throw failure
    }
  }

  /// Equal files are one object, so what is wrong with it is wrong with each recording that has it.
  private func damagesOfOthers(_ seen: Verification) async throws(TapedeckError) -> [Damage] {
    let findings = Dictionary(seen.findings.map { ($0.file.key, $0.state) }) { first, _ in first }
    var damages: [Damage] = []
    for (recording, parts) in try await catalog.recordings(referringTo: Set(findings.keys))
    where recording.key != seen.key {
      var other = Verification(key: recording.key, recording: recording)
      other.keepsOriginal = parts.allSatisfy { $0.originalKey != nil }
      other.findings = ArchivedFile.all(of: parts).compactMap { file in
        findings[file.key].map { Finding(file: file, state: $0) }
      }
      if let damage = other.damage { damages.append(damage) }
    }
    return damages
  }
}
