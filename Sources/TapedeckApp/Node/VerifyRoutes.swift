import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Web

/// Verification for commands, a few seconds per request, so that a command can show progress and be interrupted.
struct VerifyRoutes {
  let catalog: Catalog
  let verifier: Verifier

  /// Enough to overlap reading and hashing; more would slow down players.
  private let parallel = min(4, max(2, ProcessInfo.processInfo.activeProcessorCount))
  /// The longest that one request may take, in seconds.
  private let longest = 30.0

  var routes: [Route] {
    [
      .admitted(
        .post, "/operator/verify", .command, permission: .administer, log: .denials, "Verifies recordings."
      ) { admitted in
        try .json(
          try await verify(
            try await admitted.incoming.decode(VerifyQuestion.self), verifier.acting(for: admitted.identity)))
      },
      .admitted(
        .post, "/operator/reconcile", .command, permission: .administer, log: .denials,
        "Compares the names of objects with rows."
      ) { admitted in
        try .json(
          try await reconcile(
            try await admitted.incoming.decode(ReconcileQuestion.self), verifier.acting(for: admitted.identity)))
      },
    ]
  }

  private func verify(_ question: VerifyQuestion, _ verifier: Verifier) async throws(TapedeckError) -> VerifyAnswer {
    let start = ContinuousClock.now
    let deadline = start + .seconds(min(longest, max(0, question.seconds)))
    var answer = VerifyAnswer()
    if let names = question.recordings {
      let (keys, rest) = (names.prefix(1000), names.dropFirst(1000))
      guard rest.isEmpty else { throw TapedeckError(.requestTooLarge) }
      var wanted: [RecordingKey] = []
      for name in keys { wanted.append(try RecordingKey(pathSegment: name)) }
      let mode: Verifier.Mode = question.repairs ? .repair(insisting: true) : .report
      answer.add(await verifier.verify(wanted, mode, parallel: parallel, until: .now + .seconds(3600)))
    } else {
      let source = question.source.flatMap { SourceID($0) }
      let mode: Verifier.Mode = question.repairs ? .repair() : .report
      answer.total = try await catalog.archivedCount(of: source)
      answer.next = question.after
      while let after = answer.next, answer.stop == nil, answer.recordings == 0 || .now < deadline {
        let page = try await catalog.archivedRecordings(of: source, after: after, limit: 512)
        let wanted = page.filter { question.takes($0.id) }
        let batch = await verifier.verify(wanted.map(\.key), mode, parallel: parallel, until: deadline)
        answer.add(batch)
        answer.next = batch.taken < wanted.count ? wanted[..<batch.taken].last?.id ?? after : page.last?.id
      }
    }
    answer.seconds = (ContinuousClock.now - start).inSeconds
    return answer
  }

  private func reconcile(
    _ question: ReconcileQuestion, _ verifier: Verifier
  ) async throws(TapedeckError) -> ReconcileAnswer {
    let deadline = ContinuousClock.now + .seconds(min(longest, max(0, question.seconds)))
    let reconciliation = Reconciliation(verifier: verifier)
    var answer = ReconcileAnswer()
    for (number, folder) in ObjectFolder.all.enumerated().dropFirst(max(0, question.from)) {
      if let shard = question.shard, let shards = question.shards, shards > 0, number % shards != shard { continue }
      guard .now < deadline else {
        answer.next = number
        break
      }
      let report = try await reconciliation.run([folder], question.repairs ? .repair() : .report)
      answer.young += report.young
      answer.foreign += report.foreign
      answer.orphans += report.orphans.map {
        .init(object: $0.object.name.description, bytes: $0.object.bytes, isMoved: $0.isMoved)
      }
      answer.problems += report.damaged.map(RecordingProblem.init)
    }
    return answer
  }
}

extension VerifyAnswer {
  fileprivate mutating func add(_ batch: VerifiedBatch) {
    recordings += batch.taken
    whole += batch.whole
    objects += batch.objects
    bytes += batch.bytes
    problems += batch.problems.map(RecordingProblem.init)
    if let error = batch.stop { stop = Stop(error) }
  }
}
