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
  /// - Returns: `configurationInvalid` when the catalog was probably lost, whatever else was found; `objectDamaged` when
  ///   something remains damaged; `partlyDone` when something was not checked or is still being repaired.
  package var failure: TapedeckError? {
    if foreign > 0 {
      let files = counted(foreign, "file")
      return TapedeckError(
        .configurationInvalid,
        "The object store has \(files) that may belong to another catalog; these were not changed. \(Reconciliation.lostCatalog)"
          + (damaged > 0 ? " \(stillDamaged)" : ""))
    }
    if damaged > 0 {
      return TapedeckError(.objectDamaged, stillDamaged)
    }
    guard unreadable + notArchived + repairing > 0 else { return nil }
    return TapedeckError(
      .partlyDone,
      "Not verified: \(unreadable) unreadable, \(notArchived) not in the archive, \(repairing) being repaired.")
  }

  private var stillDamaged: String {
    "Still damaged: \(counted(damaged, "recording or file", plural: "recordings or files"))."
  }

  /// What was read, and how fast.
  package var progress: String {
    "\(counted(recordings, "recording")), \(counted(objects, "file")), "
      + String(format: "%.1f MB read at %.0f MB/s", Double(bytes) / 1e6, rate)
  }

  /// The closing sentence.
  package var text: String {
    var parts: [String] = []
    if whole < recordings || orphans > 0 {
      parts = [
        "\(whole) intact", "\(repaired) repaired", "\(damaged) damaged",
        "\(counted(orphans, "file")) unknown to the catalog",
      ]
    }
    if foreign > 0 { parts.append("\(counted(foreign, "file")) that may belong to another catalog") }
    guard isComplete else {
      let found = parts.isEmpty ? ["\(whole) intact"] : parts
      return "\(progress): \(found.joined(separator: ", ")); verification stopped early."
    }
    return "\(progress): \(parts.isEmpty ? "everything is intact" : parts.joined(separator: ", "))."
  }

  mutating func finish(repairing: Int) {
    self.repairing = repairing
    megabytesPerSecond = rate
  }

  private var rate: Double { seconds > 0 ? Double(bytes) / 1e6 / seconds : 0 }
}
