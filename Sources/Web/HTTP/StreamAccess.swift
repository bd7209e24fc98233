package import Catalog
import Hummingbird
package import Model
import NIOCore
import ServiceLifecycle
import Synchronization

/// The responses that are being streamed, so that each ends when its identity ends or may not hear the recording any
/// more.
///
/// The catalog announces such changes on every node. All streams are also checked every few seconds, in case an
/// announcement was lost.
package final class StreamAccess: Service {
  private struct Stream {
    var isAllowed: @Sendable () async throws(TapedeckError) -> Bool
    var end: @Sendable () -> Void
  }

  private struct State {
    var next = 0
    var streams: [Int: Stream] = [:]
  }

  private let changes: AsyncStream<Change>
  private let system: SystemServices
  private let state = Mutex(State())

  /// Subscribes to the changes of the catalog, so that none is missed until `run()` begins.
  package init(catalog: Catalog, system: SystemServices) {
    changes = catalog.changes()
    self.system = system
  }

  package var count: Int { state.withLock { $0.streams.count } }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for await change in self.changes where change == .accessNarrowed { await self.check() }
        }
        group.addTask {
          while (try? await self.system.sleep(.seconds(5))) != nil { await self.check() }
        }
        await group.waitForAll()
      }
    }
  }

  /// Begins a stream, which ends early when it is no longer allowed. `finish` must follow.
  ///
  /// - Parameters:
  ///   - isAllowed: asks the catalog; an error counts as allowed, since the next check asks again.
  ///   - end: stops the stream, and discards what the client has not received.
  /// - Returns: the number of the stream.
  /// - Throws: `insufficientPermissions` when access ended since the request was admitted.
  package func begin(
    whileAllowed isAllowed: @escaping @Sendable () async throws(TapedeckError) -> Bool,
    end: @escaping @Sendable () -> Void
  ) async throws(TapedeckError) -> Int {
    let number = add(Stream(isAllowed: isAllowed, end: end))
    // A change between the admission and the registration was not announced to this stream.
    do throws(TapedeckError) {
      guard try await isAllowed() else { throw TapedeckError(.insufficientPermissions) }
    } catch {
      finish(number)
      throw error
    }
    return number
  }

  private func add(_ stream: Stream) -> Int {
    state.withLock { state in
      state.next += 1
      state.streams[state.next] = stream
      return state.next
    }
  }

  package func finish(_ number: Int) { _ = state.withLock { $0.streams.removeValue(forKey: number) } }

  private func check() async {
    let streams = state.withLock { Array($0.streams.values) }
    await withTaskGroup(of: Void.self) { group in
      for stream in streams {
        group.addTask {
          if (try? await stream.isAllowed()) == false { stream.end() }
        }
      }
    }
  }
}

extension StreamAccess {
  /// Shorter bodies fit into the window of every client, so they leave at once.
  private static let shortest = 4 << 10

  /// The response, which ends early when `isAllowed` no longer holds.
  ///
  /// It counts as running until the operating system has sent its last byte: even a short body waits there when the
  /// client does not read. The event is not known on the command socket; there, it is over when it is written.
  func guarding(
    _ response: Response, on channel: any Channel,
    whileAllowed isAllowed: @escaping @Sendable () async throws(TapedeckError) -> Bool
  ) -> Response {
    let length = response.body.contentLength ?? .max
    guard length > Self.shortest else { return response }
    let end: @Sendable () -> Void = { channel.abort() }
    guard length > PacedBody.piece else {
      // A body that is in memory is written together with its head, so it is not wrapped.
      let number = add(Stream(isAllowed: isAllowed, end: end))
      finish(number, when: ConnectionHandler.Delivered(ofNext: true), on: channel)
      return response
    }
    var guarded = response
    let body = response.body
    guarded.body = ResponseBody(contentLength: body.contentLength) { writer in
      let number = try await self.begin(whileAllowed: isAllowed, end: end)
      do { try await body.write(writer) } catch {
        self.finish(number)
        throw error
      }
      self.finish(number, when: ConnectionHandler.Delivered(), on: channel)
    }
    return guarded
  }

  private func finish(_ number: Int, when event: ConnectionHandler.Delivered, on channel: any Channel) {
    channel.triggerUserOutboundEvent(event).whenComplete { _ in self.finish(number) }
  }
}
