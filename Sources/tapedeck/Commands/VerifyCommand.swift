import ArgumentParser
import Foundation
import Model

/// `tapedeck verify`: read bytes back, compare them with the catalog, repair what is damaged.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Read the archive's bytes back, compare their hashes, and repair what is damaged or missing.",
    discussion: """
      tapedeck verify --all               everything, and files that the catalog does not know
      tapedeck verify --sample 5%         recordings drawn by lot
      tapedeck verify --shard 3/30        the third of thirty parts, for a schedule of your own
      tapedeck verify ID...               these recordings

      A damaged file is moved to quarantine, never deleted. MP3 and waveform are made again from the original; where
      that is damaged too, or was not kept, the recording is fetched again from the platform. A store that cannot be
      read is no damage: the command says so and ends, and nothing is changed.

      Ends with 0 when everything is whole at the end, repaired or not; with 7 when something remains damaged; with 3
      when something could not be looked at, or is still being repaired (--no-wait).
      """)

  @OptionGroup var options: GlobalOptions

  @Argument(help: "The platform's ids of recordings.")
  var ids: [String] = []

  @Flag(help: "Verify the whole archive.")
  var all = false

  @Option(help: "Verify a share of the archive drawn by lot, such as 5%.")
  var sample: String?

  @Option(help: "What the sample is drawn by: the same number draws the same recordings.")
  var seed: UInt64?

  @Option(help: "Verify one of several equal parts, such as 3/30.")
  var shard: String?

  @Option(help: "Only recordings of this source. Ids without it are of the source 'default'.")
  var source: String?

  @Flag(help: "Only look: nothing is marked, moved or fetched.")
  var noRepair = false

  @Flag(help: "Do not wait for repairs to end.")
  var noWait = false

  @Flag(help: "One JSON object a line: what is not whole, and at the end a summary.")
  var json = false

  func validate() throws {
    guard [all, sample != nil, shard != nil, !ids.isEmpty].filter({ $0 }).count == 1 else {
      throw ValidationError("Give one of --all, --sample, --shard or ids.")
    }
    if sample != nil, share == nil { throw ValidationError("--sample is a share such as 5%, above 0 and up to 100.") }
    if shard != nil, part == nil { throw ValidationError("--shard is a part of a whole such as 3/30.") }
    if seed != nil, sample == nil { throw ValidationError("--seed goes with --sample.") }
  }

  private var share: Double? {
    guard let sample, let percent = Double(sample.hasSuffix("%") ? sample.dropLast() : sample[...]),
      percent > 0, percent <= 100
    else { return nil }
    return percent / 100
  }

  private var part: (rest: Int, count: Int)? {
    guard let fields = shard?.split(separator: "/", omittingEmptySubsequences: false), fields.count == 2,
      let number = Int(fields[0]), let count = Int(fields[1]), (1...1_000_000).contains(count),
      (1...count).contains(number)
    else { return nil }
    return (number % count, count)
  }

  func run() async throws {
    var question = VerifyQuestion(source: source, repairs: !noRepair, seconds: 2)
    if let source, SourceID(source) == nil { throw TapedeckError(.usage, "--source is the name of a source.") }
    if !ids.isEmpty {
      question.recordings = try ids.map { try recordingKey($0, source: source ?? "default").pathSegment }
    }
    if let share {
      question.share = share
      question.seed = seed ?? UInt64(UInt32.random(in: .min ... .max))
      if !options.quiet {
        Terminal.say("Drawn by lot with seed \(question.seed ?? 0): --seed \(question.seed ?? 0) draws the same again.")
      }
    }
    if let part { (question.shard, question.shards) = (Int64(part.rest), Int64(part.count)) }
    try await withOperator(options, needsPlatform: !noRepair, works: !noRepair) { [question] connection in
      var run = VerifyRun(
        question, strays: all || part != nil, waits: !noWait, connection: connection, options: options, json: json)
      try await run.run()
    }
  }
}
