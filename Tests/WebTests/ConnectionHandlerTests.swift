import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing
import Web

/// Clients that send or read slowly.
struct ConnectionHandlerTests {
  private let channel: EmbeddedChannel
  private let connections: OpenConnections

  init() throws {
    let limits = ConnectionLimits(total: 10, perAddress: 10)
    connections = OpenConnections(limits: limits, proxies: .none)
    channel = EmbeddedChannel(handlers: [ProtocolRules(), ConnectionHandler(connections: connections, limits: limits)])
    channel.remoteAddress = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
    try channel.connect(to: SocketAddress(ipAddress: "192.0.2.2", port: 80)).wait()
  }

  private func receive(
    _ version: HTTPVersion = .http1_1, _ headers: HTTPHeaders = ["host": "a"], isWhole: Bool = true
  ) throws {
    try channel.writeInbound(
      HTTPServerRequestPart.head(.init(version: version, method: .POST, uri: "/login", headers: headers)))
    if isWhole { try channel.writeInbound(HTTPServerRequestPart.end(nil)) }
  }

  private func respond(flush: Bool = true) {
    let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["content-length": "0"])
    channel.write(HTTPServerResponsePart.head(head), promise: nil)
    channel.write(HTTPServerResponsePart.end(nil), promise: nil)
    if flush { channel.flush() }
  }

  private func nextHead() throws -> HTTPResponseHead? {
    guard case .head(let head) = try channel.readOutbound(as: HTTPServerResponsePart.self) else { return nil }
    return head
  }

  @Test(
    arguments: [
      ("close", [:], "1.0", "close"), ("close", ["content-length": "1"], "1.1", "close"),
      ("keep-alive", [:], "1.0", "close"), ("keep-alive", ["content-length": "1"], "1.1", "keep-alive"),
    ] as [(String, HTTPHeaders, String, String)])
  func `for a client of HTTP 1.0 the end of the connection ends a body without a length`(
    asked: String, length: HTTPHeaders, version: String, connection: String
  ) throws {
    try receive(.http1_0, ["connection": asked])
    channel.write(
      HTTPServerResponsePart.head(.init(version: .http1_1, status: .ok, headers: length)), promise: nil)
    channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "x"))), promise: nil)
    channel.write(HTTPServerResponsePart.end(nil), promise: nil)
    channel.flush()
    let head = try #require(try nextHead())
    #expect("\(head.version)" == "HTTP/\(version)")
    #expect(head.headers["connection"] == [connection])
    #expect(channel.isActive == (connection == "keep-alive"))
  }

  @Test(arguments: [("1.0", [:]), ("1.1", ["content-length": "7"])] as [(String, HTTPHeaders)])
  func `a response to HEAD has no chunks, not even their end`(version: String, length: HTTPHeaders) throws {
    try channel.writeInbound(
      HTTPServerRequestPart.head(.init(version: .http1_1, method: .HEAD, uri: "/", headers: ["host": "a"])))
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    // The encoder writes chunks in HTTP/1.1 when there is no length.
    channel.write(HTTPServerResponsePart.head(.init(version: .http1_1, status: .ok, headers: length)), promise: nil)
    channel.write(HTTPServerResponsePart.end(nil), promise: nil)
    channel.flush()
    let head = try #require(try nextHead())
    #expect("\(head.version)" == "HTTP/\(version)")
    #expect(channel.isActive == (version == "1.1"))
  }

  @Test(arguments: [HTTPResponseStatus.noContent, .notModified])
  func `a response without a body does not end a connection`(status: HTTPResponseStatus) throws {
    try receive(.http1_0, ["connection": "keep-alive"])
    channel.write(HTTPServerResponsePart.head(.init(version: .http1_1, status: status)), promise: nil)
    channel.write(HTTPServerResponsePart.end(nil), promise: nil)
    channel.flush()
    #expect(try nextHead()?.version == .http1_1)
    #expect(channel.isActive)
  }

  @Test func `for a client of HTTP 1.1 the connection stays open after a body without a length`() throws {
    try receive()
    channel.write(HTTPServerResponsePart.head(.init(version: .http1_1, status: .ok)), promise: nil)
    channel.write(HTTPServerResponsePart.end(nil), promise: nil)
    channel.flush()
    let head = try #require(try nextHead())
    #expect(head.version == .http1_1 && head.headers["connection"].isEmpty)
    #expect(channel.isActive)
  }

  @Test(arguments: [("content-length", "50000"), ("transfer-encoding", "chunked"), ("content-length", "1")])
  func `a body must arrive within 30 seconds`(name: String, value: String) throws {
    try receive(.http1_1, ["host": "a", name: value], isWhole: false)
    for _ in 0..<29 {
      channel.embeddedEventLoop.advanceTime(by: .seconds(1))
      try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "x")))
    }
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
    #expect(try nextHead()?.status == .requestTimeout)
    #expect(connections.count == 0)
  }

  @Test func `a body that arrives in time does not end the connection`() throws {
    try receive(.http1_1, ["host": "a", "content-length": "1"])
    channel.embeddedEventLoop.advanceTime(by: .seconds(600))
    #expect(channel.isActive && connections.count == 1)
  }

  @Test func `a slow body ends the connection after its response too, without a second response`() throws {
    try receive(.http1_1, ["host": "a", "content-length": "50000"], isWhole: false)
    respond()
    #expect(try nextHead()?.status == .ok)
    channel.embeddedEventLoop.advanceTime(by: .seconds(30))
    #expect(!channel.isActive)
    #expect(try nextHead() == nil)
  }

  @Test func `a client must read something of its response within 60 seconds`() throws {
    try receive()
    respond(flush: false)
    channel.embeddedEventLoop.advanceTime(by: .seconds(59))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive && connections.count == 0)
  }

  @Test func `progress restarts the time`() throws {
    try receive()
    for _ in 0..<5 {
      channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "x"))), promise: nil)
      channel.embeddedEventLoop.advanceTime(by: .seconds(59))
      #expect(channel.isActive)
      channel.flush()
    }
    channel.embeddedEventLoop.advanceTime(by: .seconds(600))
    #expect(channel.isActive)
  }

  @Test func `a server that stops waits five seconds for a client that does not read`() throws {
    try receive()
    respond(flush: false)
    channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    channel.embeddedEventLoop.advanceTime(by: .seconds(4))
    #expect(channel.isActive)
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(!channel.isActive)
  }

  @Test func `a writer learns when its bytes were taken, or that the connection ended`() throws {
    var outcomes: [String] = []
    func expect(_ name: String) {
      channel.triggerUserOutboundEvent(ConnectionHandler.Sent()).assumeIsolated().whenComplete { result in
        outcomes.append((try? result.get()) == nil ? "\(name) failed" : name)
      }
    }
    try receive()
    expect("nothing")
    #expect(outcomes == ["nothing"])
    channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "x"))), promise: nil)
    expect("first")
    #expect(outcomes == ["nothing"])
    channel.flush()
    #expect(outcomes == ["nothing", "first"])
    channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: "x"))), promise: nil)
    expect("second")
    channel.close(promise: nil)
    #expect(outcomes == ["nothing", "first", "second failed"])
  }

  @Test func `a waiting handler learns that the client closed its side, that the connection or the response ended`()
    throws
  {
    var left = 0
    func expect() {
      channel.triggerUserOutboundEvent(ConnectionHandler.Left()).assumeIsolated().whenSuccess { left += 1 }
    }
    try receive()
    expect()
    #expect(left == 0)
    respond()
    #expect(left == 1)
    try receive()
    expect()
    channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    #expect(left == 2)
    expect()
    #expect(left == 3)
    #expect(channel.isActive)
  }

  @Test func `a connection that ends tells a waiting handler`() throws {
    var left = 0
    try receive()
    channel.triggerUserOutboundEvent(ConnectionHandler.Left()).assumeIsolated().whenSuccess { left += 1 }
    channel.close(promise: nil)
    #expect(left == 1)
  }

  // MARK: Pipelined requests

  @Test func `pipelined requests are answered in order, each with its own rule`() throws {
    try receive()
    try receive(.http1_1, ["host": "a", "connection": "close"])
    respond()
    #expect(try nextHead()?.headers["connection"] == [])
    #expect(channel.isActive)
    _ = try channel.readOutbound(as: HTTPServerResponsePart.self)
    respond()
    #expect(try nextHead()?.headers["connection"] == ["close"])
    #expect(!channel.isActive)
  }

  @Test func `sixteen requests may be pipelined, and the connection ends after the last of them`() throws {
    for _ in 0..<1000 { try receive() }
    var passed = 0
    while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
      if case .head = part { passed += 1 }
    }
    #expect(passed == 16)
    for number in 1...16 {
      #expect(channel.isActive)
      respond()
      #expect(try nextHead()?.headers["connection"] == (number == 16 ? ["close"] : []))
      _ = try channel.readOutbound(as: HTTPServerResponsePart.self)
    }
    #expect(!channel.isActive)
  }

  @Test func `a connection is not closed for others while one of several requests is answered`() throws {
    try receive()
    try receive()
    respond()
    let limits = 10
    for number in 0..<limits {
      let other = EmbeddedChannel()
      try other.connect(to: SocketAddress(ipAddress: "192.0.2.2", port: 80)).wait()
      other.remoteAddress = try SocketAddress(ipAddress: "198.51.100.\(number)", port: 1)
      connections.add(other)
    }
    #expect(channel.isActive)
  }

  @Test func `a malformed request after others ends the connection after their responses`() throws {
    try receive()
    try receive(.http1_1, [:])
    #expect(try nextHead() == nil)
    respond()
    #expect(try nextHead()?.headers["connection"] == ["close"])
    #expect(!channel.isActive)
  }

  @Test func `a request that was answered before its body is malformed gets no second response`() throws {
    try receive(.http1_1, ["host": "a", "transfer-encoding": "chunked"], isWhole: false)
    respond()
    #expect(try nextHead()?.status == .ok)
    _ = try channel.readOutbound(as: HTTPServerResponsePart.self)
    // As the server library does after a malformed chunk.
    respond()
    #expect(try nextHead() == nil)
    #expect(!channel.isActive)
  }

  // MARK: Rules of HTTP

  @Test(arguments: [
    (HTTPMethod.POST, ("upgrade", "h2c")), (.GET, ("upgrade", "websocket")), (.GET, ("Upgrade", "TLS/1.2, HTTP/1.1")),
    (.CONNECT, ("x", "y")),
  ])
  func `a connection ends after the response to a request to change its protocol`(
    method: HTTPMethod, field: (String, String)
  ) throws {
    let head = HTTPRequestHead(
      version: .http1_1, method: method, uri: "/", headers: ["host": "a", field.0: field.1])
    try channel.writeInbound(HTTPServerRequestPart.head(head))
    try channel.writeInbound(HTTPServerRequestPart.end(nil))
    respond()
    #expect(try nextHead()?.headers["connection"] == ["close"])
    #expect(!channel.isActive)
  }

  @Test(arguments: ["0", "1", "65536"])
  func `a client that asks first may send a body`(length: String) throws {
    try receive(.http1_1, ["host": "a", "expect": "100-Continue", "content-length": length], isWhole: false)
    #expect(try nextHead()?.status == .continue)
    respond()
    #expect(try nextHead()?.status == .ok)
    #expect(channel.isActive)
  }

  @Test(arguments: ["65537", "5000000000"])
  func `a client that asks first may not send a body that is too long`(length: String) throws {
    try receive(.http1_1, ["host": "a", "expect": "100-continue", "content-length": length], isWhole: false)
    #expect(try nextHead()?.status == .payloadTooLarge)
    #expect(!channel.isActive)
  }

  @Test func `a pipelined request that asks first is answered when its turn comes`() throws {
    let asking: HTTPHeaders = ["host": "a", "expect": "100-continue", "content-length": "5"]
    try receive()
    try receive()
    try receive(.http1_1, asking, isWhole: false)
    #expect(try nextHead() == nil)
    for statuses in [[.ok], [.ok, .continue], [.ok]] as [[HTTPResponseStatus]] {
      respond()
      var heads: [HTTPResponseStatus] = []
      while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
        if case .head(let head) = part { heads.append(head.status) }
      }
      #expect(heads == statuses)
    }
    #expect(channel.isActive)
  }

  @Test func `a pipelined request that asks first and sends its body at once needs no interim response`() throws {
    try receive()
    try receive(.http1_1, ["host": "a", "expect": "100-continue", "content-length": "5"], isWhole: false)
    try channel.writeInbound(HTTPServerRequestPart.body(ByteBuffer(string: "12345")))
    respond()
    respond()
    var heads: [HTTPResponseStatus] = []
    while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
      if case .head(let head) = part { heads.append(head.status) }
    }
    #expect(heads == [.ok, .ok])
  }

  @Test func `a client of HTTP 1.0 gets no interim response`() throws {
    try receive(.http1_0, ["expect": "100-continue", "content-length": "5"], isWhole: false)
    #expect(try nextHead() == nil)
  }

  struct Request: Sendable, CustomTestStringConvertible {
    var version: HTTPVersion
    var headers: [(String, String)]
    var testDescription: String { "\(version) \(headers)" }
  }

  @Test(arguments: [
    Request(version: .http1_0, headers: []),
    Request(version: .http1_0, headers: [("connection", "close")]),
    Request(version: .http1_1, headers: [("host", "a"), ("connection", "close")]),
    Request(version: .http1_1, headers: [("host", "a"), ("connection", "Close")]),
  ])
  func `a connection that does not persist ends with its response`(request: Request) throws {
    try receive(request.version, HTTPHeaders(request.headers))
    #expect(channel.isActive)
    respond()
    #expect(try nextHead()?.headers["connection"] == ["close"])
    #expect(!channel.isActive)
  }

  @Test(arguments: [
    (Request(version: .http1_0, headers: [("connection", "keep-alive")]), ["keep-alive"]),
    (Request(version: .http1_0, headers: [("host", "a"), ("connection", "Keep-Alive")]), ["keep-alive"]),
    (Request(version: .http1_1, headers: [("host", "a")]), []),
  ])
  func `a connection that persists stays open`(request: Request, connection: [String]) throws {
    for _ in 0..<3 {
      try receive(request.version, HTTPHeaders(request.headers))
      respond()
      #expect(try nextHead()?.headers["connection"] == connection)
      _ = try channel.readOutbound(as: HTTPServerResponsePart.self)
      #expect(channel.isActive)
    }
  }

  @Test(arguments: [
    Request(version: .http1_1, headers: []),
    Request(version: .http1_1, headers: [("host", "a"), ("host", "b")]),
    Request(version: .http1_0, headers: [("host", "a"), ("host", "b")]),
    Request(version: .http1_0, headers: [("transfer-encoding", "chunked")]),
    Request(version: .http1_1, headers: [("host", "a b")]),
    Request(version: .http1_1, headers: [("host", "a/b")]),
    Request(version: .http1_1, headers: [("host", "user@a")]),
    Request(version: .http1_0, headers: [("host", "a,b")]),
  ])
  func `a malformed request is refused, and the connection ends`(request: Request) throws {
    try receive(request.version, HTTPHeaders(request.headers))
    #expect(try nextHead()?.status == .badRequest)
    #expect(!channel.isActive)
    #expect(try channel.readInbound(as: HTTPServerRequestPart.self) == nil)
  }
}
