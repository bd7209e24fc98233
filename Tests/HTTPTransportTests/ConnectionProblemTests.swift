import AsyncHTTPClient
import Foundation
import HTTPTransport
import Model
import NIOCore
import NIOPosix
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConnectionProblemTests {
  /// The problem of one request with an adapted configuration; nil when a response arrives.
  private func problem(_ url: String, environment: [String: String] = [:]) async throws -> ConnectionProblem? {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.connectionPool.retryConnectionEstablishment = false
    return try await HTTPClient.withHTTPClient(configuration: try configuration.adapted(to: environment)) { client in
      do {
        _ = try await client.send(repeating: { HTTPClientRequest(url: url) })
        return nil
      } catch {
        return ConnectionProblem(error)
      }
    }
  }

  @Test func `a certificate is trusted only when its authority is, and for its own host name`() async throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).pem")
    try TLSServer.certificate.write(to: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(at: file) }
    try await TLSServer.run { server in
      let found1 = try await problem("https://localhost:\(server.port)/")
      #expect(found1 == .certificate)
      let environment = ["SSL_CERT_FILE": file.path]
      let found2 = try await problem("https://localhost:\(server.port)/", environment: environment)
      #expect(found2 == nil)
      // The server may listen on ::1 only.
      let byAddress = try await problem("https://127.0.0.1:\(server.port)/", environment: environment)
      #expect(byAddress == .certificate || byAddress == .refused)
    }
  }

  @Test func `a refused connection and an unknown host are named`() async throws {
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .bind(host: "127.0.0.1", port: 0).get()
    let port = listener.localAddress?.port ?? 0
    try await listener.close().get()
    let found3 = try await problem("http://127.0.0.1:\(port)/")
    #expect(found3 == .refused)
    let found4 = try await problem("http://tapedeck.invalid/")
    #expect(found4 == .unknownHost)
  }

  @Test(arguments: [ScriptedServer.Reply.Step.close, .reset])
  func `a connection that stays closed is a problem after two replacements`(
    end: ScriptedServer.Reply.Step
  ) async throws {
    try await ScriptedServer.run { _ in
      ScriptedServer.Reply([end])
    } _: { server in
      let found5 = try await problem(server.address)
      #expect(found5 == .closed)
      #expect(server.requests.count == 3)
    }
  }

  @Test(arguments: ["/does/not/exist.pem", "/dev/null"])
  func `a file without certificates is a configuration error`(path: String) {
    #expect(throws: TapedeckError.self) {
      _ = try HTTPClient.Configuration().adapted(to: ["SSL_CERT_FILE": path])
    }
  }

  @Test(arguments: [
    (ConnectionProblem.certificate, "certificate"), (.unknownHost, "DNS"), (.refused, "refused the connection"),
    (.timeout, "in time"), (.closed, "closed the connection"), (.malformed, "violates HTTP"),
    (.handshake, "TLS"), (.proxy, "HTTPS_PROXY"), (.other, "could not be reached"),
  ])
  func `each problem has its own message`(problem: ConnectionProblem, words: String) {
    #expect(problem.message(about: "the platform").contains(words))
  }
}
