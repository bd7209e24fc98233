package import Catalog
package import Logging
package import Model
package import ObjectStorage

/// Reads archived files back, compares them with the catalog, and has damaged recordings repaired.
///
/// A file is damaged when its bytes differ, and missing when the store says that it has none. A store that cannot be
/// read is not damage: it is reported, and nothing is changed.
package struct Verifier: Sendable {
  /// What is done about damage.
  package enum Mode: Sendable, Equatable {
    /// Report it; change nothing.
    case report
    /// Mark it, move it to quarantine and repair it. With `insisting`, even when the store seems to be unavailable.
    case repair(insisting: Bool = false)
  }

  let catalog: Catalog
  let store: any ObjectStore
  /// The sources from which recordings can be downloaded again; nil when other nodes may serve more.
  private let served: Set<SourceID>?
  let system: SystemServices
  let logger: Logger
  /// One verification at a time acts on damage, so that the next one finds it repaired.
  private let repairs = AsyncSemaphore(1)
  /// Recordings that `scrub` postpones until the rest of its share is verified.
  let unreadable = UnreadableRecordings()
  /// Whose verification it is, for the log.
  private var finder = DamageFinder.recurringTask

  /// - Parameter served: the sources in the settings; nil when other nodes may serve more.
  package init(
    catalog: Catalog, store: any ObjectStore, served: Set<SourceID>? = nil, system: SystemServices, logger: Logger
  ) {
    self.catalog = catalog
    self.store = store
    self.served = served
    self.system = system
    self.logger = logger
  }

  /// The same verifier, whose findings are logged as those of a user.
  package func acting(for identity: Identity) -> Verifier {
    var verifier = self
    verifier.finder = .user(identity)
    return verifier
  }

  // MARK: One recording

  /// Verifies one recording. Call `note` to record that it is intact.
  ///
  /// - Throws: `catalogFailed`, `interrupted`; `storageFailed` when the store seems to be unavailable or a change
  ///   failed.
  package func verify(_ key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    let seen = try await look(at: key, mode)
    report(seen)
    guard case .repair = mode, seen.verdict == .damaged else { return seen }
    return try await repairs.withPermit { () async throws(TapedeckError) in try await act(on: key, mode) }
  }

  /// Records which recordings were found intact.
  package func note(_ verifications: [Verification]) async throws(TapedeckError) {
    try await catalog.recordVerified(
      verifications.filter { $0.verdict == .whole }.compactMap(\.recording), at: system.now())
  }

  private func look(at key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    var seen = Verification(key: key)
    guard let (recording, parts) = try await catalog.archived(key), recording.archivedAt != nil else { return seen }
    seen.recording = recording
    seen.isWithoutFiles = parts.isEmpty
    seen.keepsOriginal = !parts.isEmpty && parts.allSatisfy { $0.original != nil }
    for file in ArchivedFile.all(of: recording, parts) {
      let (state, bytes) = try await check(file)
      seen.objects += 1
      seen.bytes += bytes
      if let state { seen.findings.append(Finding(file: file, state: state)) }
      VerificationMetrics.record(state.map { Finding(file: file, state: $0).label } ?? "whole", bytes: bytes)
    }
    if mode != .repair(insisting: true), seen.findings.contains(where: { !$0.isDamaged && !$0.isUnreadable }) {
      try await StoreOwnership.requireOldest(in: store, of: catalog)
    }
    return seen
  }

  private func check(_ file: ArchivedFile) async throws(TapedeckError) -> (state: Finding.State?, bytes: Int64) {
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    do throws(TapedeckError) {
      let found = try await store.content(of: file.name)
      return (found == file.content ? nil : .damaged(found), found.bytes)
    } catch {
      switch error.code {
      case .objectMissing: return (.missing, 0)
      case .objectDamaged: return (.unusable(error.detail ?? error.message), 0)
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

  /// Marks the recording, moves damaged files to quarantine and requests the repair. A crash after any step is
  /// harmless: marked recordings are verified again at the next start.
  private func act(on key: RecordingKey, _ mode: Mode) async throws(TapedeckError) -> Verification {
    // Again, with the current row: an ingest or another verification may have stored intact files meanwhile.
    var seen = try await look(at: key, mode)
    guard let damage = seen.damage else { return seen }
    let damages = [damage] + (try await damagesOfOthers(seen))
    let now = system.now()
    try await catalog.recordDamage(damages, at: now, by: finder)
    for damage in damages {
      logger.error(
        "files of the archive are damaged or missing",
        metadata: ["recording": "\(damage.key)", "finding": "\(damage.finding)", "files": "\(damage.details)"])
    }
    for finding in seen.findings where finding.isDamaged {
      try await quarantine(finding.file.name, because: "\(finding.sentence) Recording \(key).")
    }
    // A job that stored an intact file under the same name at this moment must start again: that file was moved to
    // quarantine too.
    let jobs = try await catalog.requestRepair(
      of: damages, served: served, preempting: seen.findings.contains(where: \.isDamaged), at: system.now(), by: finder)
    seen.repair = jobs.first { $0.key == key }
    if seen.repair == nil { seen.refusal = TapedeckError.sourceNotInSettings(key.source) }
    return seen
  }

  private func quarantine(_ object: ObjectName, because reason: String) async throws(TapedeckError) {
    do throws(TapedeckError) { try await store.quarantine(object, because: reason) } catch {
      // Another node may have moved it to quarantine at the same moment.
      let failure = error
      do throws(TapedeckError) { _ = try await store.content(of: object) } catch {
        if error.code == .objectMissing { return }
      }
      throw failure
    }
  }

  /// Recordings with equal files share an object, so its damage affects all of them.
  private func damagesOfOthers(_ seen: Verification) async throws(TapedeckError) -> [Damage] {
    let findings = Dictionary(seen.findings.map { ($0.file.name, $0.state) }) { first, _ in first }
    var damages: [Damage] = []
    for (recording, parts) in try await catalog.recordings(referringTo: Set(findings.keys))
    where recording.key != seen.key {
      var other = Verification(key: recording.key, recording: recording)
      other.keepsOriginal = parts.allSatisfy { $0.original != nil }
      other.findings = ArchivedFile.all(of: recording, parts).compactMap { file in
        findings[file.name].map { Finding(file: file, state: $0) }
      }
      if let damage = other.damage { damages.append(damage) }
    }
    return damages
  }
}
