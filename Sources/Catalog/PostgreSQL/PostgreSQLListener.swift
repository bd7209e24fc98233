import CPostgres
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Receives the changes that other processes commit: one connection that uses LISTEN, on its own thread. It reconnects
/// when the connection is lost.
final class PostgreSQLListener: Sendable {
  static let channel = "tapedeck"

  private let settings: PostgreSQLSettings
  private let address: ServerAddress
  private let origin: String
  private let feed: ChangeFeed
  private let isClosed = Atomic(false)
  /// Completed when the first attempt to listen has succeeded or failed.
  private let firstAttempt = DispatchGroup()
  /// A pipe; a byte in it ends the wait for the server.
  private let closing: (read: Int32, write: Int32)

  /// - Parameter origin: the ID of this process; its own changes are ignored, since they are already published.
  init(settings: PostgreSQLSettings, address: ServerAddress, origin: String, feed: ChangeFeed) {
    self.settings = settings
    self.address = address
    self.origin = origin
    self.feed = feed
    var ends: [Int32] = [-1, -1]
    _ = pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    closing = (ends[0], ends[1])
    firstAttempt.enter()
    let thread = Thread { [self] in listen() }
    thread.name = "postgresql-listen"
    thread.start()
  }

  deinit {
    closeFile(closing.read)
    closeFile(closing.write)
  }

  /// Waits until the first attempt to listen has ended, so that a later read and the notifications leave no gap.
  func waitForFirstAttempt() { firstAttempt.wait() }

  func close() {
    guard !isClosed.exchange(true, ordering: .sequentiallyConsistent) else { return }
    var byte: UInt8 = 1
    _ = write(closing.write, &byte, 1)
  }

  /// The body of the thread.
  private func listen() {
    var failures = 0
    var isFirst = true
    while !isClosed.load(ordering: .sequentiallyConsistent) {
      let connection = try? address.connect(settings)
      if let connection, begin(connection) {
        failures = 0
        // Changes committed while this process did not listen.
        feed.publish([.workDue, .webhookDue, .taskDue, .accessNarrowed])
        if isFirst { firstAttempt.leave() }
        isFirst = false
        receive(connection)
      } else {
        if isFirst { firstAttempt.leave() }
        isFirst = false
        failures += 1
      }
      if let connection { PQfinish(connection) }
      if failures > 0 { wait(for: nil, milliseconds: min(100 << min(failures, 6), 5_000)) }
    }
  }

  private func begin(_ connection: OpaquePointer) -> Bool {
    let answer = PQexec(connection, "LISTEN \(Self.channel)")
    defer { PQclear(answer) }
    return PQresultStatus(answer) == PGRES_COMMAND_OK
  }

  /// Publishes notifications until the connection is lost or the listener is closed.
  private func receive(_ connection: OpaquePointer) {
    while !isClosed.load(ordering: .sequentiallyConsistent) {
      while let notification = PQnotifies(connection) {
        let (sender, changes) = ChangePayload.read(String(cString: notification.pointee.extra))
        PQfreemem(notification)
        if sender != origin { feed.publish(changes) }
      }
      wait(for: PQsocket(connection), milliseconds: -1)
      guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else { return }
    }
  }

  /// Waits until the socket is readable, the time is over or the listener is closed.
  private func wait(for socket: Int32?, milliseconds: Int) {
    var files = [pollfd(fd: closing.read, events: Int16(POLLIN), revents: 0)]
    if let socket { files.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0)) }
    _ = poll(&files, nfds_t(files.count), Int32(clamping: milliseconds))
  }
}

/// `close(2)`, which the method `close` hides.
private func closeFile(_ descriptor: Int32) { _ = close(descriptor) }
