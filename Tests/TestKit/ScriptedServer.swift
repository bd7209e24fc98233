import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A server on loopback that answers each request with bytes from a script and records the requests.
///
/// It uses plain TCP, so that it can break HTTP in every way.
package final class ScriptedServer: Sendable {
  /// One request.
  package struct Request: Sendable {
    package var method: String
    /// Path and query, undecoded.
    package var target: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    /// The first header field of that name.
    package func header(_ name: String) -> String? {
      headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    package var text: String { String(decoding: body, as: UTF8.self) }
  }

  private struct State {
    var requests: [Request] = []
    var connections: [Task<Void, Never>] = []
    var isStopped = false
  }

  private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  private let state = Mutex(State())
  private let script: @Sendable (Request) async -> Reply
  private let port = Mutex(0)

  /// `http://127.0.0.1:<port>`.
  package var address: String { "http://127.0.0.1:\(port.withLock { $0 })" }

  /// Every complete request so far, in order.
  package var requests: [Request] { state.withLock { $0.requests } }

  private init(script: @escaping @Sendable (Request) async -> Reply) { self.script = script }

  /// Runs a server while `body` runs, and closes its connections afterwards.
  package static func run<Result: Sendable>(
    _ script: @escaping @Sendable (Request) async -> Reply,
    _ body: (ScriptedServer) async throws -> Result
  ) async throws -> Result {
    let server = ScriptedServer(script: script)
    let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 256)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          server.accept(try Connection(wrappingChannelSynchronously: channel))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    server.port.withLock { $0 = listener.localAddress?.port ?? 0 }
    do {
      let result = try await body(server)
      try await server.stop(listener)
      return result
    } catch {
      try await server.stop(listener)
      throw error
    }
  }

  /// Serves a connection in an unstructured task, which is cancelled at once while the server stops: NIO traps when a
  /// connection is never served.
  private func accept(_ connection: Connection) {
    let task = Task { await serve(connection) }
    let isStopped = state.withLock {
      $0.connections.append(task)
      return $0.isStopped
    }
    if isStopped { task.cancel() }
  }

  private func stop(_ listener: any Channel) async throws {
    try await listener.close().get()
    let connections = state.withLock {
      $0.isStopped = true
      return $0.connections
    }
    for connection in connections { connection.cancel() }
    for connection in connections { await connection.value }
  }

  /// Serves a connection. Its errors are ignored here, because the client sees them.
  private func serve(_ connection: Connection) async {
    try? await connection.executeThenClose { inbound, outbound in
      var bytes = ByteBuffer()
      var chunks = inbound.makeAsyncIterator()
      while true {
        while let request = Request(reading: &bytes) {
          state.withLock { $0.requests.append(request) }
          for step in await script(request).steps {
            switch step {
            case .send(let piece): try await outbound.write(ByteBuffer(bytes: piece))
            case .sendForever(let piece):
              let piece = ByteBuffer(bytes: piece)
              while true { try await outbound.write(piece) }
            case .wait(let gate): try await gate.wait()
            case .pause(let time): try await Task.sleep(for: time)
            case .close: return
            case .reset:
              // Closing a socket without lingering sends RST.
              try await (connection.channel as? any SocketOptionProvider)?
                .setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
              return
            }
          }
        }
        guard let chunk = try await chunks.next() else { return }
        bytes.writeImmutableBuffer(chunk)
      }
    }
  }
}

extension ScriptedServer.Request {
  /// Reads one request with a body of `Content-Length` bytes; nil while it is incomplete.
  fileprivate init?(reading bytes: inout ByteBuffer) {
    let view = bytes.readableBytesView
    guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    let lines = String(decoding: view[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count == 3 else { return nil }
    method = String(words[0])
    target = String(words[1])
    headers = lines.dropFirst().compactMap { line in
      let halves = line.split(separator: ":", maxSplits: 1)
      guard halves.count == 2 else { return nil }
      return (String(halves[0]), String(halves[1].drop(while: { $0 == " " })))
    }
    body = []
    let length = header("Content-Length").flatMap { Int($0) } ?? 0
    let headLength = view.distance(from: view.startIndex, to: end.upperBound)
    guard bytes.readableBytes >= headLength + length else { return nil }
    bytes.moveReaderIndex(forwardBy: headLength)
    body = bytes.readBytes(length: length) ?? []
  }
}
