import Foundation
package import Model
import Pipeline

/// The totals of `tapedeck verify`, and how the command ends.
package struct VerifySummary: Encodable, Sendable {
  private enum CodingKeys: String, CodingKey {
    case status, recordings, objects, bytes, seconds, megabytesPerSecond, whole, repaired, repairing, damaged,
      unreadable
    case notArchived, foreign
    case isComplete = "complete"
    case orphans = "strays"
  }

  private var status = "summary"
  var recordings = 0
  var objects = 0
  var bytes: Int64 = 0
  var seconds = 0.0
  var megabytesPerSecond = 0.0
  /// Recordings that were intact.
  var whole = 0
  /// Recordings that were damaged and are intact again.
  var repaired = 0
  var repairing = 0
  /// Recordings that remain damaged, and orphans that remain in place.
  var damaged = 0
  var unreadable = 0
  var notArchived = 0
  var orphans = 0
  /// Files that may belong to another catalog.
  var foreign = 0
  /// Whether verification reached its end; an error ends it early.
  var isComplete = true

  package init() {}

  /// The error that the command ends with; nil when everything is intact.
  ///
  /// - Returns: `configurationInvalid` when the catalog was probably lost, whatever else was found; `objectDamaged`
  ///   when something remains damaged; `partlyDone` when something was not checked or is still being repaired.
  package var failure: TapedeckError? {
    if foreign > 0 {
      let files = counted(foreign, "file")
      return TapedeckError(
        .configurationInvalid,
        "The object store has \(files) that may belong to another catalog; these were not changed. \(StoreOwnership.remedy)"
          + (damaged > 0 ? " \(stillDamaged)" : ""))
    }
    if damaged > 0 {
      return TapedeckError(.objectDamaged, stillDamaged)
    }
    guard unreadable + notArchived + repairing > 0 else { return nil }
    return TapedeckError(
      .partlyDone,
      "Not verified: \(grouped(unreadable)) unreadable, \(grouped(notArchived)) not in the archive, \(grouped(repairing)) being repaired."
    )
  }

  /// Whether the archive has none of the recordings.
  package var hasNoneArchived: Bool { isComplete && recordings > 0 && notArchived == recordings }

  private var stillDamaged: String {
    "Still damaged: \(counted(damaged, "recording or file", plural: "recordings or files"))."
  }

  /// What was read, and how fast.
  package var progress: String {
    "\(counted(recordings, "recording")), \(counted(objects, "file")), "
      + "\(grouped(Double(bytes) / 1e6, decimals: 1)) MB read at \(grouped(rate, decimals: 0)) MB/s"
  }

  /// The closing sentence.
  package var text: String {
    let others: [(count: Int, text: String)] = [
      (repaired, "\(grouped(repaired)) repaired"), (repairing, "\(grouped(repairing)) being repaired"),
      (damaged, "\(grouped(damaged)) damaged"), (unreadable, "\(grouped(unreadable)) unreadable"),
      (notArchived, "\(grouped(notArchived)) not in the archive"),
      (orphans, "\(counted(orphans, "file")) unknown to the catalog"),
      (foreign, "\(counted(foreign, "file")) that may belong to another catalog"),
    ]
    let found = others.filter { $0.count > 0 }.map(\.text)
    if isComplete, found.isEmpty, whole == recordings { return "\(progress): everything is intact." }
    // When the catalog was probably lost, its recordings are not called intact.
    let isLost = isComplete && foreign > 0 && found.count == 1
    return
      "\(progress): \(((isLost ? [] : ["\(grouped(whole)) intact"]) + found).joined(separator: ", "))"
      + (isComplete ? "." : "; verification stopped early.")
  }

  /// - Parameter problems: the number of recordings with a finding. One that was found when names were compared may
  ///   have been repaired before its files were read; it is not counted as intact too.
  mutating func finish(repairing: Int, problems: Int) {
    self.repairing = repairing
    whole = min(whole, max(0, recordings - problems))
    megabytesPerSecond = rate
  }

  private var rate: Double { seconds > 0 ? Double(bytes) / 1e6 / seconds : 0 }
}
