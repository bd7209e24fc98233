import AsyncHTTPClient
import HTTPTransport
import Model
import NIOCore
import Testing

/// How the errors of requests to a server become errors of Tapedeck.
@Suite struct TransportFailuresTests {
  static let servers: [(code: TapedeckError.Code, name: String)] = [
    (.platformUnavailable, "the platform"), (.storageFailed, "the object store"),
  ]

  static let errors: [(error: any Error, words: String)] = [
    (HTTPClientError.readTimeout, "did not respond in time"), (HTTPClientError.remoteConnectionClosed, "closed"),
    (IOError(errnoCode: 111, reason: "connect"), "refused the connection"),
    (ChannelError.connectTimeout(.seconds(1)), "did not respond in time"),
    (HTTPClientError.cancelled, "could not be reached"),
  ]

  @Test(arguments: servers)
  func `each error has the code of the server, its name and a detail`(
    server: (code: TapedeckError.Code, name: String)
  ) {
    let failures = TransportFailures(server.code, of: server.name)
    for (error, words) in Self.errors {
      let failure = failures.failure(error)
      #expect(failure.code == server.code)
      #expect(failure.message.lowercased().contains(server.name) && failure.message.contains(words))
      #expect(failure.detail?.isEmpty == false)
    }
    #expect(failures.timeout().code == server.code)
    #expect(failures.timeout().message.contains("did not respond in time"))
  }

  @Test func `an error of Tapedeck is returned unchanged, and a cancellation is interrupted`() async {
    let failures = TransportFailures(.storageFailed, of: "the object store")
    #expect(failures.failure(TapedeckError(.diskFull, "No space.")).message == "No space.")
    #expect(failures.failure(CancellationError()).code == .interrupted)
    #expect(TransportFailures.cancellation(HTTPClientError.readTimeout) == nil)
    let cancelled = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      return failures.failure(HTTPClientError.readTimeout).code
    }
    #expect(await cancelled.value == .interrupted)
  }
}
