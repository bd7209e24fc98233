import Hummingbird
import Model
import NIOCore
import ServiceLifecycle

/// The body of one download on its way to the client, whole or disturbed.
struct Delivery: Sendable {
  /// Thrown to close the connection without an end of the body: the server does that for any error.
  struct Cut: Error {}

  /// Bytes handed to the connection at a time; it takes the next ones when these are nearly gone.
  private static let batch = 256 * 1024

  var audio: SandboxAudio
  var positions: Range<Int>
  var exchange: Exchange
  var id: String
  var ledger: RequestLedger
  var history: History
  var surroundings: Surroundings

  @concurrent func run(_ writer: inout any ResponseBodyWriter) async throws {
    ledger.startedBody()
    defer { ledger.endedBody() }
    let disturbance = exchange.rule(.cut) ?? exchange.rule(.changedFile) ?? exchange.rule(.stalledBody)
    guard let disturbance else {
      try await send(positions, &writer)
      return try await writer.finish(nil)
    }
    let bytes = min(disturbance.afterBytes ?? positions.count / 2, positions.count)
    try await send(positions.lowerBound..<positions.lowerBound + bytes, &writer)
    await drain()
    switch disturbance.fault {
    case .changedFile: history.change(id)
    case .stalledBody: await stall(seconds: disturbance.delay ?? 600)
    default: break
    }
    throw Cut()
  }

  @concurrent private func send(_ positions: Range<Int>, _ writer: inout any ResponseBodyWriter) async throws {
    let rate = exchange.rule(.slow).map { $0.bytesPerSecond ?? 64_000 }
    var position = positions.lowerBound
    while position < positions.upperBound {
      let step = rate.map { min(positions.upperBound, position + max(1, $0 / 10)) } ?? positions.upperBound
      let pieces = audio.pieces(at: position, end: step, batch: Delivery.batch)
      let bytes = pieces.reduce(0) { $0 + $1.readableBytes }
      guard bytes > 0 else { throw Cut() }
      try await writer.write(contentsOf: pieces)
      ledger.sent(exchange.number, bytes: bytes, of: id)
      position += bytes
      if rate != nil { try await surroundings.pause(.milliseconds(100)) }
    }
  }

  /// Waits until the operating system has taken all that was written: closing would throw the rest away.
  private func drain() async {
    while exchange.channel.isActive, let left = try? await exchange.channel.getOption(.bufferedWritableBytes).get(),
      left > 0
    {
      try? await Task.sleep(for: .milliseconds(1))
      if Task.isCancelled { return }
    }
  }

  /// Waits until the client leaves, the time is over or the server stops.
  private func stall(seconds: Double) async {
    let surroundings = surroundings
    try? await exchange.request.body.consumeWithCancellationOnInboundClose { _ in
      try await surroundings.pause(.seconds(seconds))
    }
  }
}

extension Surroundings {
  /// Waits, and gives up when the server is told to stop.
  func pause(_ duration: Duration) async throws {
    let sleep = sleep
    try await cancelWhenGracefulShutdown { try await sleep(duration) }
  }
}
