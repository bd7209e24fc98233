package import Model

/// The result of verifying several recordings.
package struct VerifiedBatch: Sendable {
  /// The number of verified recordings, from the first one on.
  package var taken = 0
  /// The recordings that are intact.
  package var whole = 0
  package var objects = 0
  package var bytes: Int64 = 0
  /// Recordings that are not intact.
  package var problems: [Verification] = []
  /// Why the batch ended early; nil when it did not.
  package var stop: TapedeckError?
}

extension Verifier {
  /// Verifies recordings concurrently, and records which are intact.
  ///
  /// - Parameters:
  ///   - parallel: the number verified at the same time.
  ///   - deadline: no recording is started after it, except the first.
  package func verify(
    _ keys: [RecordingKey], _ mode: Mode, parallel: Int, until deadline: ContinuousClock.Instant
  ) async -> VerifiedBatch {
    var batch = VerifiedBatch()
    var whole: [Verification] = []
    var unreadable = 0
    await withTaskGroup(of: Result<Verification, TapedeckError>.self) { group in
      var rest = keys.makeIterator()
      var running = 0
      while true {
        while running < parallel, batch.stop == nil, batch.taken == 0 || .now < deadline, let key = rest.next() {
          group.addTask {
            do throws(TapedeckError) { return .success(try await verify(key, mode)) } catch { return .failure(error) }
          }
          running += 1
          batch.taken += 1
        }
        guard let result = await group.next() else { return }
        running -= 1
        switch result {
        case .failure(let error): batch.stop = batch.stop ?? error
        case .success(let verification):
          batch.objects += verification.objects
          batch.bytes += verification.bytes
          if verification.verdict == .whole { whole.append(verification) } else { batch.problems.append(verification) }
          unreadable = verification.verdict == .unreadable ? unreadable + 1 : 0
          guard unreadable >= Self.unreadableLimit else { continue }
          unreadable = 0
          do throws(TapedeckError) { try await requireReadable() } catch { batch.stop = batch.stop ?? error }
        }
      }
    }
    batch.whole = whole.count
    // A small batch can end before the limit; a store that is unavailable must not look like unreadable files.
    if batch.stop == nil, unreadable > 0 {
      do throws(TapedeckError) { try await requireReadable() } catch { batch.stop = error }
    }
    do throws(TapedeckError) { try await note(whole) } catch { batch.stop = batch.stop ?? error }
    return batch
  }
}
