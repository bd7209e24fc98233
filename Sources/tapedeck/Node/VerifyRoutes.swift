import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Web

/// Verification as a command asks for it, some seconds at a time, so that it can be interrupted and tells how far it is.
struct VerifyRoutes {
  let catalog: Catalog
  let verifier: Verifier

  /// Reading and hashing of several recordings overlap; more would only disturb players.
  private let parallel = min(4, max(2, ProcessInfo.processInfo.activeProcessorCount))
  /// What a command can ask of one call.
  private let longest = 30.0

  func add(to group: RouterGroup<WebContext>) {
    group.post("operator/verify") { request, context in
      try json(try await verify(try await request.decode(as: VerifyQuestion.self, context: context)))
    }
    group.post("operator/reconcile") { request, context in
      try json(try await reconcile(try await request.decode(as: ReconcileQuestion.self, context: context)))
    }
  }

  private func json(_ answer: some Encodable) throws -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(answer))))
  }

  private func verify(_ question: VerifyQuestion) async throws(TapedeckError) -> VerifyAnswer {
    let start = ContinuousClock.now
    let deadline = start + .seconds(min(longest, max(0, question.seconds)))
    var answer = VerifyAnswer()
    if let names = question.recordings {
      let (keys, rest) = (names.prefix(1000), names.dropFirst(1000))
      guard rest.isEmpty else { throw TapedeckError(.requestTooLarge) }
      var wanted: [RecordingKey] = []
      for name in keys { wanted.append(try RecordingKey(pathSegment: name)) }
      let mode: Verifier.Mode = question.repairs ? .repair(insisting: true) : .look
      answer.add(await verifier.verify(wanted, mode, parallel: parallel, until: .now + .seconds(3600)))
    } else {
      let source = question.source.flatMap { SourceID($0) }
      let mode: Verifier.Mode = question.repairs ? .repair() : .look
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

  private func reconcile(_ question: ReconcileQuestion) async throws(TapedeckError) -> ReconcileAnswer {
    let deadline = ContinuousClock.now + .seconds(min(longest, max(0, question.seconds)))
    let reconciliation = Reconciliation(verifier: verifier)
    var answer = ReconcileAnswer()
    for (number, folder) in ObjectFolder.all.enumerated().dropFirst(max(0, question.from)) {
      if let shard = question.shard, let shards = question.shards, shards > 0, number % shards != shard { continue }
      guard .now < deadline else {
        answer.next = number
        break
      }
      let report = try await reconciliation.run([folder], question.repairs ? .repair() : .look)
      answer.young += report.young
      answer.strays += report.strays.map {
        .init(object: $0.object.key.description, bytes: $0.object.bytes, isMoved: $0.isMoved)
      }
      answer.problems += report.damaged.map(RecordingProblem.init)
    }
    return answer
  }
}

extension VerifyAnswer {
  fileprivate mutating func add(_ batch: VerifiedBatch) {
    recordings += batch.taken
    objects += batch.objects
    bytes += batch.bytes
    problems += batch.problems.map(RecordingProblem.init)
    if let error = batch.stop { stop = Stop(error) }
  }
}
