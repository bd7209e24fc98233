import Hummingbird
import Model
import NIOCore
import ServiceLifecycle

/// Sends the body of one download, complete or with a fault.
struct Delivery: Sendable {
  /// Thrown to close the connection before the end of the body, as the server does for any error.
  struct Cut: Error {}

  /// Bytes passed to the connection at a time; it requests more when these have almost been sent.
  private static let batch = 256 * 1024

  var audio: SandboxAudio
  var positions: Range<Int>
  var exchange: Exchange
  var id: String
  var statistics: RequestStatistics
  var history: RecordingHistory
  var system: SystemServices

  @concurrent func run(_ writer: inout any ResponseBodyWriter) async throws {
    statistics.startedBody()
    defer { statistics.endedBody() }
    let disturbance = exchange.rule(.cut) ?? exchange.rule(.changedFile) ?? exchange.rule(.stalledBody)
    guard let disturbance else {
      try await send(positions, &writer)
      return try await writer.finish(nil)
    }
    let bytes = min(disturbance.afterBytes ?? positions.count / 2, positions.count)
    try await send(positions.lowerBound..<positions.lowerBound + bytes, &writer)
    await drain()
    switch disturbance.fault {
    case .changedFile: history.replaceFile(of: id)
    case .stalledBody: await stall(seconds: disturbance.delay ?? 600)
    default: break
    }
    throw Cut()
  }

  @concurrent private func send(_ positions: Range<Int>, _ writer: inout any ResponseBodyWriter) async throws {
    let slowRate = exchange.rule(.slow).map { $0.bytesPerSecond ?? 64_000 }
    var position = positions.lowerBound
    while position < positions.upperBound {
      let rate = exchange.isCleared() ? nil : slowRate
      let step = rate.map { min(positions.upperBound, position + max(1, $0 / 10)) } ?? positions.upperBound
      let pieces = audio.pieces(at: position, end: step, batch: Delivery.batch)
      let bytes = pieces.reduce(0) { $0 + $1.readableBytes }
      guard bytes > 0 else { throw Cut() }
      try await writer.write(contentsOf: pieces)
      statistics.sent(exchange.number, bytes: bytes, of: id)
      position += bytes
      if rate != nil { try await system.sleepUntilShutdown(.milliseconds(100)) }
    }
  }

  /// Waits until the operating system has taken all written bytes: closing would discard the rest.
  private func drain() async {
    while exchange.channel.isActive, let left = try? await exchange.channel.getOption(.bufferedWritableBytes).get(),
      left > 0
    {
      try? await Task.sleep(for: .milliseconds(1))
      if Task.isCancelled { return }
    }
  }

  /// Waits until the client disconnects, the time is over or the server stops.
  private func stall(seconds: Double) async {
    let system = system
    try? await exchange.request.body.consumeWithCancellationOnInboundClose { _ in
      try await system.sleepUntilShutdown(.seconds(seconds))
    }
  }
}

extension SystemServices {
  /// Sleeps; ends early when the server shuts down.
  func sleepUntilShutdown(_ duration: Duration) async throws {
    let sleep = sleep
    try await cancelWhenGracefulShutdown { try await sleep(duration) }
  }
}
