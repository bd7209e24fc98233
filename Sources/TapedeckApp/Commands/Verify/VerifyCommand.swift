import ArgumentParser
import Foundation
import Model

/// `tapedeck verify`: read files back, compare them with the catalog, repair damage.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Read archived files back, compare their hashes, and repair damage.",
    discussion: """
      tapedeck verify --all           everything, and files unknown to the catalog
      tapedeck verify --sample 5%     a random sample
      tapedeck verify --shard 3/30    the third of thirty parts, for scheduled runs
      tapedeck verify ID...           these recordings

      Damaged files are moved to quarantine, never deleted. They need no decision, so
      'tapedeck quarantine list' does not show them. The MP3 and the waveform are
      created again from the original; when the original is damaged or was not kept,
      the recording is fetched again from the platform. When the object store cannot
      be read, the command reports that and changes nothing.

      Exits with 0 when everything is intact or repaired, with 7 when something
      remains damaged, with 3 when something could not be checked or is still being
      repaired (--no-wait), with 6 when none of the given IDs is in the archive, and
      with 12 when the catalog was probably lost. Without a running server and
      without platform settings, damage is only reported, as with --no-repair.
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions

  @Argument(help: "IDs of recordings on the platform.")
  var ids: [String] = []

  @Flag(help: "Verify the whole archive.")
  var all = false

  @Option(help: ArgumentHelp("Verify a random sample of the archive, such as 5%.", valueName: "percent"))
  var sample: String?

  @Option(help: "Seed of the sample: the same seed selects the same recordings.")
  var seed: UInt64?

  @Option(help: ArgumentHelp("Verify one of several equal parts, such as 3/30.", valueName: "part/parts"))
  var shard: String?

  @Option(help: "Verify only this source. IDs belong to the source 'default' unless this is given.")
  var source: String?

  @Flag(help: "Only report damage; do not mark, move or fetch anything.")
  var noRepair = false

  @Flag(help: "Do not wait for repairs to finish.")
  var noWait = false

  @Flag(help: "Print one JSON object per line for each finding, then a summary.")
  var json = false

  func validate() throws {
    guard [all, sample != nil, shard != nil, !ids.isEmpty].filter({ $0 }).count == 1 else {
      throw ValidationError("Give exactly one of --all, --sample, --shard or IDs.")
    }
    if sample != nil, share == nil {
      throw ValidationError("--sample must be a share such as 5%, above 0, up to 100%.")
    }
    if shard != nil, part == nil { throw ValidationError("--shard must be a part such as 3/30.") }
    if seed != nil, sample == nil { throw ValidationError("--seed requires --sample.") }
    try checkRecordings(ids)
    try checkSource(source)
  }

  private var share: Double? {
    guard let sample, let percent = Double(sample.hasSuffix("%") ? sample.dropLast() : sample[...]),
      percent > 0, percent <= 100
    else { return nil }
    return percent / 100
  }

  private var part: (remainder: Int, count: Int)? {
    guard let fields = shard?.split(separator: "/", omittingEmptySubsequences: false), fields.count == 2,
      let number = Int(fields[0]), let count = Int(fields[1]), (1...1_000_000).contains(count),
      (1...count).contains(number)
    else { return nil }
    return (number % count, count)
  }

  func run() async throws {
    var question = VerifyQuestion(source: source, repairs: !noRepair, seconds: 2)
    if !ids.isEmpty {
      var seen: Set<String> = []
      question.recordings = try ids.map {
        try recordingKey($0, source: source ?? SourceID.default.rawValue).pathSegment
      }.filter { seen.insert($0).inserted }
    }
    if let share {
      let seed = seed ?? UInt64(UInt32.random(in: .min ... .max))
      (question.share, question.seed) = (share, seed)
      if !options.quiet {
        Terminal.say("Random sample, seed \(seed). Use --seed \(seed) to verify the same recordings again.")
      }
    }
    if let part { (question.shard, question.shards) = (Int64(part.remainder), Int64(part.count)) }
    try await withOperator(options, platform: noRepair ? .unused : .usedIfSet, works: !noRepair) {
      [question] connection in
      var question = question
      if question.repairs, !connection.hasPlatform {
        if !options.quiet {
          Terminal.say("There are no platform settings (CXONE_BASE_URL, …): damage is reported and not repaired.")
        }
        question.repairs = false
      }
      var run = VerifyRun(
        question, findsOrphans: all || part != nil, waits: !noWait, connection: connection, options: options,
        json: json)
      try await run.run()
    }
  }
}
