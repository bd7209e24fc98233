import Glibc
import Model

extension DataDirectory {
  /// Takes the lock, or finds that the process that holds it listens on the command socket. Waits for a process that
  /// starts or stops.
  ///
  /// - Parameters:
  ///   - socket: the path that `socket()` returns.
  ///   - pause: waits before the next attempt; tests replace it.
  /// - Returns: the lock; nil when another process holds it and listens.
  /// - Throws: `dataDirectoryInUse` when it holds the lock and does not listen within the limit.
  package func lock(
    orListenerAt socket: String, within limit: Duration = .seconds(10),
    pause: () async throws -> Void = { try await Task.sleep(for: .milliseconds(50)) }
  ) async throws -> DataDirectoryLock? {
    let end = ContinuousClock.now + limit
    while true {
      if let lock = try tryLock() { return lock }
      if isListening(at: socket) { return nil }
      guard .now < end else {
        throw TapedeckError(
          .dataDirectoryInUse,
          "The data directory \(path) is in use by a process that does not listen on its command socket 'tapedeck.sock'. If a server is starting or stopping, or a command such as 'tapedeck storage' is running, wait until that is done. Otherwise the socket was removed or replaced: restart the server."
        )
      }
      try await pause()
    }
  }
}

/// Whether a process listens on a Unix socket.
private func isListening(at path: String) -> Bool {
  var address = sockaddr_un()
  address.sun_family = sa_family_t(AF_UNIX)
  let capacity = MemoryLayout.size(ofValue: address.sun_path)
  guard path.utf8.count < capacity else { return false }
  withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
  let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
  let descriptor = socket(AF_UNIX, type, 0)
  guard descriptor >= 0 else { return false }
  defer { _ = close(descriptor) }
  let result = withUnsafeBytes(of: &address) { bytes in
    connect(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
  }
  // A listener whose queue of connections is full is busy.
  return result == 0 || errno == EAGAIN
}
