package import Model

/// One media file of a recording. Has no address: the source finds it again by itself.
package struct PartLocator: Sendable, Hashable {
  package var recording: RecordingID
  /// Counted from 0, in the order of time.
  package var part: Int

  package init(_ recording: RecordingID, part: Int = 0) {
    self.recording = recording
    self.part = part
  }
}

/// Where a recording stands and which media it has: everything that one request returned.
package struct Located: Sendable, Equatable {
  package enum Availability: Sendable, Equatable {
    /// There is no media yet; perhaps never.
    case notYet
    case available
    /// The platform will not provide it.
    case failed
  }

  package var facts: PlatformRecording
  /// Whether the facts only complete those of a list. Otherwise they replace them.
  package var completesList: Bool
  package var availability: Availability
  /// The media files that exist, in the order of time.
  package var parts: [LocatedPart]
  /// Other media files of the call, which the platform names without providing them: they come later or never.
  package var missing: [LocatedPart]
  /// Why media of the call is missing or not archived, as sentences.
  package var skipped: [String]

  package init(
    _ facts: PlatformRecording, availability: Availability, parts: [LocatedPart], completesList: Bool = false,
    missing: [LocatedPart] = [], skipped: [String] = []
  ) {
    self.facts = facts
    self.availability = availability
    self.parts = parts
    self.completesList = completesList
    self.missing = missing
    self.skipped = skipped
  }

  /// How many media files of the call the platform does not provide.
  package var missingParts: Int { missing.count }

  /// What is known about the media, for the catalog.
  package var media: PlannedMedia { PlannedMedia(parts: parts.map(\.facts), missing: missing.map(\.facts)) }

  /// A recording with one media file, on a platform that reports a status.
  package init(_ facts: PlatformRecording) {
    let availability: Availability =
      switch facts.status {
      case .processing: .notYet
      case .available: .available
      case .failed: .failed
      }
    self.init(
      facts, availability: availability,
      parts: availability == .available ? [LocatedPart(PartLocator(facts.id))] : [])
  }

  /// The facts, with those of the list where it has more.
  package func facts(knowing known: PlatformRecording?) -> PlatformRecording {
    guard completesList, let known else { return facts }
    var all = known.completed(by: facts)
    all.status = facts.status
    if facts.isPrivacyKnown { (all.privacy, all.isPrivacyKnown) = (facts.privacy, true) }
    return all
  }
}

/// A media file of a recording, and what the platform says about its content.
package struct LocatedPart: Sendable, Equatable {
  package var locator: PartLocator
  package var startTime: Instant?
  /// How long the audio should be; nil when the platform does not say.
  package var expectedDuration: Duration?
  package var lanes: [MediaLane]
  package var stages: [MediaStage]

  package init(
    _ locator: PartLocator, startTime: Instant? = nil, expectedDuration: Duration? = nil, lanes: [MediaLane] = [],
    stages: [MediaStage] = []
  ) {
    self.locator = locator
    self.startTime = startTime
    self.expectedDuration = expectedDuration
    self.lanes = lanes
    self.stages = stages
  }
}

extension LocatedPart {
  /// What is known about the part, for the catalog.
  package var facts: PartFacts { PartFacts(locator.part, startTime: startTime, lanes: lanes, stages: stages) }
}
