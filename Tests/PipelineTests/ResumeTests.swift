import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Synchronization
import Testing

/// Which interrupted downloads are resumed at once, and which count as failures.
@Suite(.timeLimit(.minutes(5)))
struct ResumeTests {
  @Test func `a download that restarts from 0 each time ends, even when each try gets further`() async throws {
    let calls = Counter()
    var options = PipelineFixture.Options()
    options.source = HandSource { sink, _ in
      try await sink.cut(to: 0)
      try await sink.append(ByteBuffer(repeating: 1, count: 1000 + calls.count()))
      throw TapedeckError(.downloadInterrupted)
    }
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("changing")
        return try await fixture.ended("changing")
      }
      #expect(job.failure?.code == .downloadInterrupted)
      // One try per attempt, and one more for the first, which began without bytes.
      #expect(calls.value <= 7)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `a download that advances with each try is not a failure, however often it is interrupted`() async throws {
    let wav = HostileFile.make(seed: 3)
    var options = PipelineFixture.Options()
    options.source = HandSource { sink, _ in
      let held = Int(await sink.length)
      let end = min(held + 5000, wav.count)
      try await sink.append(ByteBuffer(bytes: wav[held..<end]))
      guard end == wav.count else { throw TapedeckError(.downloadInterrupted) }
      return DownloadState(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("slow")
        return try await fixture.ended("slow")
      }
      #expect(job.runState == .done)
      #expect(job.resumes == 19)
    }
  }
}
