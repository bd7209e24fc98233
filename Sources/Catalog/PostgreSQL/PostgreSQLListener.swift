import CPostgres
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Hears what other processes commit: one connection that waits in LISTEN, on a thread of its own, and comes back by
/// itself when it is lost.
final class PostgreSQLListener: Sendable {
  static let channel = "tapedeck"

  private let settings: PostgreSQLSettings
  private let address: ServerAddress
  private let origin: String
  private let feed: ChangeFeed
  private let isClosed = Atomic(false)
  /// Left when the first attempt to listen has succeeded or failed.
  private let firstAttempt = DispatchGroup()
  /// A byte in it ends the wait for the server: a pipe's two ends.
  private let bell: (read: Int32, write: Int32)

  /// - Parameter origin: who this process is; what it committed itself its subscribers have heard already.
  init(settings: PostgreSQLSettings, address: ServerAddress, origin: String, feed: ChangeFeed) {
    self.settings = settings
    self.address = address
    self.origin = origin
    self.feed = feed
    var ends: [Int32] = [-1, -1]
    _ = pipe(&ends)
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    bell = (ends[0], ends[1])
    firstAttempt.enter()
    let thread = Thread { [self] in listen() }
    thread.name = "postgresql-listen"
    thread.start()
  }

  deinit {
    closeFile(bell.read)
    closeFile(bell.write)
  }

  /// Waits until this process listens or cannot: what is looked at afterwards and what is heard leave no gap.
  func waitForFirstAttempt() { firstAttempt.wait() }

  func close() {
    guard !isClosed.exchange(true, ordering: .sequentiallyConsistent) else { return }
    var byte: UInt8 = 1
    _ = write(bell.write, &byte, 1)
  }

  /// The life of the thread.
  private func listen() {
    var failures = 0
    var isFirst = true
    while !isClosed.load(ordering: .sequentiallyConsistent) {
      let connection = try? address.connect(settings)
      if let connection, begin(connection) {
        failures = 0
        // What was committed while nobody listened.
        feed.publish([.workDue, .webhookDue, .dutyDue])
        if isFirst { firstAttempt.leave() }
        isFirst = false
        hear(connection)
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

  /// Passes on what is heard until the connection is lost or the listener closed.
  private func hear(_ connection: OpaquePointer) {
    while !isClosed.load(ordering: .sequentiallyConsistent) {
      while let notification = PQnotifies(connection) {
        let (teller, changes) = ChangePayload.read(String(cString: notification.pointee.extra))
        PQfreemem(notification)
        if teller != origin { feed.publish(changes) }
      }
      wait(for: PQsocket(connection), milliseconds: -1)
      guard PQconsumeInput(connection) == 1, PQstatus(connection) == CONNECTION_OK else { return }
    }
  }

  /// Until the socket has something to read, the time is over or the listener is closed.
  private func wait(for socket: Int32?, milliseconds: Int) {
    var files = [pollfd(fd: bell.read, events: Int16(POLLIN), revents: 0)]
    if let socket { files.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0)) }
    _ = poll(&files, nfds_t(files.count), Int32(clamping: milliseconds))
  }
}

/// `close(2)`, whose name a method has taken.
private func closeFile(_ descriptor: Int32) { _ = close(descriptor) }
