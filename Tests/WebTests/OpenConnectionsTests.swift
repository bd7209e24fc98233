import Model
import NIOCore
import NIOEmbedded
import Testing
import Web

/// Limits on connections and streams.
struct OpenConnectionsTests {
  private func connect(_ address: String) throws -> EmbeddedChannel {
    let channel = EmbeddedChannel()
    try channel.connect(to: SocketAddress(ipAddress: "192.0.2.200", port: 80)).wait()
    channel.remoteAddress = try SocketAddress(ipAddress: address, port: 1)
    return channel
  }

  private func connections(
    total: Int, perAddress: Int, proxies: String = ""
  ) throws -> OpenConnections {
    OpenConnections(
      limits: ConnectionLimits(total: total, perAddress: perAddress), proxies: try TrustedProxies(proxies))
  }

  private func open(_ channels: [EmbeddedChannel]) -> [Int] { channels.indices.filter { channels[$0].isActive } }

  @Test func `at the total limit, the connection that has waited longest is closed`() throws {
    let connections = try connections(total: 3, perAddress: 3)
    let channels = try (0..<6).map { try connect("192.0.2.\($0)") }
    for channel in channels[..<3] { connections.add(channel) }
    // The first one has just been used.
    connections.answer(channels[0])
    connections.wait(channels[0])
    connections.add(channels[3])
    #expect(open(channels) == [0, 2, 3, 4, 5])
    connections.add(channels[4])
    connections.add(channels[5])
    #expect(open(channels) == [3, 4, 5])
    #expect(connections.count == 3)
  }

  @Test func `the limit of an address closes its own connections only`() throws {
    let connections = try connections(total: 100, perAddress: 2)
    let other = try connect("198.51.100.1")
    connections.add(other)
    let channels = try (0..<5).map { _ in try connect("192.0.2.1") }
    for channel in channels { connections.add(channel) }
    #expect(open(channels) == [3, 4])
    #expect(other.isActive)
  }

  @Test func `an IPv4 address in either form is one address`() throws {
    let connections = try connections(total: 100, perAddress: 2)
    let channels = try ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "::ffff:192.0.2.2"].map { try connect($0) }
    for channel in channels { connections.add(channel) }
    #expect(open(channels) == [1, 2, 3])
  }

  @Test func `a connection whose request is answered is not closed for another one`() throws {
    let connections = try connections(total: 2, perAddress: 2)
    let channels = try (0..<4).map { _ in try connect("192.0.2.1") }
    for channel in channels[..<2] {
      connections.add(channel)
      connections.answer(channel)
    }
    connections.add(channels[2])
    #expect(open(channels) == [0, 1, 3])
    connections.wait(channels[1])
    connections.add(channels[3])
    #expect(open(channels) == [0, 3])
  }

  @Test func `at the limit, the connection that has been sending a body the longest is closed`() throws {
    var limits = ConnectionLimits(total: 100, perAddress: 100)
    limits.receiving = 2
    let connections = OpenConnections(limits: limits, proxies: try TrustedProxies(""))
    let channels = try (0..<7).map { _ in try connect("192.0.2.1") }
    for channel in channels { connections.add(channel) }
    for channel in channels[..<3] { connections.receive(channel) }
    #expect(open(channels) == [1, 2, 3, 4, 5, 6])
    // Ends, and counts once however often it is reported.
    connections.endReceiving(channels[1])
    connections.answer(channels[1])
    for _ in 0..<3 { connections.receive(channels[3]) }
    #expect(open(channels) == [1, 2, 3, 4, 5, 6])
    // The next request of a connection begins anew.
    connections.wait(channels[1])
    connections.receive(channels[1])
    #expect(open(channels) == [1, 3, 4, 5, 6])
    // A closed connection no longer counts.
    connections.remove(channels[3])
    connections.receive(channels[4])
    #expect(open(channels) == [1, 3, 4, 5, 6])
    for channel in channels[5...] { connections.receive(channel) }
    #expect(open(channels) == [3, 5, 6])
  }

  @Test(arguments: [false, true])
  func `a body counts also while its request, or an earlier one, is answered`(isAnswered: Bool) throws {
    var limits = ConnectionLimits(total: 100, perAddress: 100)
    limits.receiving = 2
    let connections = OpenConnections(limits: limits, proxies: try TrustedProxies(""))
    let channels = try (0..<4).map { _ in try connect("192.0.2.1") }
    for channel in channels {
      connections.add(channel)
      if isAnswered { connections.answer(channel) }
    }
    for channel in channels[..<2] {
      connections.receive(channel)
      // An early response, such as 404.
      connections.wait(channel)
    }
    connections.receive(channels[2])
    #expect(open(channels) == [1, 2, 3], "the newest is not closed instead")
    connections.endReceiving(channels[1])
    connections.receive(channels[3])
    #expect(open(channels) == [1, 2, 3])
  }

  @Test(arguments: ["192.0.2.1", "192.0.2.0/24", "10.0.0.1, 192.0.2.1"])
  func `trusted proxies count in total only`(proxies: String) throws {
    let connections = try connections(total: 5, perAddress: 1, proxies: proxies)
    let channels = try (0..<6).map { _ in try connect("192.0.2.1") }
    for channel in channels { connections.add(channel) }
    #expect(open(channels) == [1, 2, 3, 4, 5])
  }

  @Test func `connections that ended no longer count, also after many requests`() throws {
    let connections = try connections(total: 2, perAddress: 2)
    let kept = try connect("192.0.2.1")
    connections.add(kept)
    for _ in 0..<1000 {
      connections.answer(kept)
      connections.wait(kept)
      let channel = try connect("192.0.2.1")
      connections.add(channel)
      connections.remove(channel)
    }
    #expect(kept.isActive && connections.count == 1)
  }

  // MARK: Streams

  /// Unchecked, since each test sets and reads it on one thread.
  private final class Clock: @unchecked Sendable {
    var uptime = Duration.zero
  }

  @Test func `an identity has a limited number of streams, and others are not affected`() throws {
    let streams = Streams(limit: 2, uptime: { .zero })
    let channel = try connect("192.0.2.1")
    var held = [try streams.begin(for: "anna", on: channel), try streams.begin(for: "anna", on: channel)]
    #expect(throws: TapedeckError.self) { try streams.begin(for: "anna", on: channel) }
    _ = try streams.begin(for: "sue", on: channel)
    held.removeLast()
    held.append(try streams.begin(for: "anna", on: channel))
    #expect(channel.isActive && held.count == 2)
  }

  @Test func `at the limit, the stream that has not been read the longest is closed`() throws {
    let clock = Clock()
    let streams = Streams(limit: 3, uptime: { clock.uptime })
    let channels = try (0..<5).map { _ in try connect("192.0.2.1") }
    let held = try channels[..<3].map { try streams.begin(for: "anna", on: $0) }
    clock.uptime = .seconds(5)
    held[0].advance()
    held[2].advance()
    clock.uptime = .seconds(9)
    #expect(throws: TapedeckError.self) { try streams.begin(for: "anna", on: channels[3]) }
    clock.uptime = .seconds(10)
    let fourth = try streams.begin(for: "anna", on: channels[3])
    #expect(open(channels) == [0, 2, 3, 4])
    // The closed one still has references, and does not count.
    #expect(throws: TapedeckError.self) { try streams.begin(for: "anna", on: channels[4]) }
    withExtendedLifetime((held, fourth)) {}
  }
}
