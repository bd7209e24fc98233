import Model

/// Calls of the contract `media-playback` that are unlike the calls of the day. They exist with every seed.
package enum SpecialCall: String, Sendable, CaseIterable {
  /// Two interactions with a gap of 20 s between them.
  case twoParts = "two-parts"
  /// Two interactions, of which the second has no media.
  case missingPart = "missing-part"
  /// The recording was stopped on demand for 5 s.
  case stopOnDemand = "stop-on-demand"
  /// A hold of 4 s and a mask of 3 s.
  case holdAndMask = "hold-and-mask"
  /// A chat that was elevated to the call.
  case elevatedChat = "elevated-chat"
  /// The call also has a screen recording.
  case screen
  /// Three legs: two agents, who also consulted each other.
  case threeLegs = "three-legs"
  /// A call that was transferred three times, and goes on in `transferTarget`.
  case transferredOn = "transferred-on"
  case transferTarget = "transfer-target"
  /// The platform has erased its addresses.
  case anonymized
  /// Its media is MP3.
  case mp3
  /// It has no media, but a file of the ACD.
  case file
  /// `customerRestricted` on its second segment only.
  case restrictedCustomer = "restricted-customer"
  /// It was not recorded.
  case neverRecorded = "never-recorded"
  /// Its media is never there.
  case noMedia = "no-media"
  /// Two interactions, with a hold in the first one and a mask in the second, and three legs.
  case twoPartsWithStages = "two-parts-with-stages"
  /// Two interactions, whose media have different formats: WAV with two channels, and MP3 with one at another rate.
  case twoFormats = "two-formats"

  /// The ID of the recording in the sandbox.
  package var id: String { "media-\(rawValue)" }

  /// The ID of the master contact, which is the platform's ID of the call.
  package var contactID: String { String(900_000_000_001 + (Self.allCases.firstIndex(of: self) ?? 0)) }

  init?(_ recording: SandboxRecording) {
    guard let call = Self.allCases.first(where: { $0.id == recording.id }) else { return nil }
    self = call
  }

  static func all(on day: DayOfCalls) -> [SandboxRecording] {
    allCases.enumerated().map { index, call in
      var random = SeededRandom(seed: SeededRandom.seed(call.id, under: 0))
      let format = WAVFormat(.pcm16, channels: 2)
      var recording = CallCentre.call(
        id: call.id, start: day.moment(minute: 540 + 3 * index), format: format,
        dataBytes: format.dataBytes(milliseconds: 24_000), direction: .outbound, random: &random)
      recording.contactID = call.contactID
      switch call {
      case .restrictedCustomer: recording.privacy = .restricted
      case .noMedia, .neverRecorded, .file: recording.availability = .never
      case .transferTarget:
        // It begins when the call before it ends.
        recording.startTime = day.moment(minute: 540 + 3 * (index - 1)) + CallTimes.offset + .seconds(24)
      default: break
      }
      return recording
    }
  }
}

/// When the parts of a call begin.
enum CallTimes {
  /// The time in the menu and the queue before the first interaction.
  static let offset = Duration.seconds(45)
  /// Between two interactions.
  static let gap = Duration.seconds(20)
}

extension SandboxRecording {
  /// How many interactions the call has.
  var partCount: Int {
    switch SpecialCall(self) {
    case .twoParts?, .missingPart?, .twoPartsWithStages?, .twoFormats?: 2
    default: 1
    }
  }

  /// How many legs the call has.
  var legCount: Int {
    switch SpecialCall(self) {
    case .threeLegs?, .twoPartsWithStages?: 3
    default: 1
    }
  }

  /// When an interaction begins.
  func start(ofPart part: Int) -> Instant {
    startTime + CallTimes.offset + (Duration.seconds(durationSeconds) + CallTimes.gap) * part
  }

  func end(ofPart part: Int) -> Instant { start(ofPart: part) + .seconds(durationSeconds) }

  /// The end of the contact, as the ACD reports it.
  var contactEnd: Instant { end(ofPart: partCount - 1) }
}
