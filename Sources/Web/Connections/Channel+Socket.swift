import Glibc
import NIOCore

extension Channel {
  /// Closes the connection and discards what the system has not sent yet.
  func abort() {
    guard let socket = self as? any SocketOptionProvider else { return close(promise: nil) }
    socket.unsafeSetSocketOption(level: .socket, name: .so_linger, value: Linger())
      .whenComplete { _ in self.close(promise: nil) }
  }

  /// The bytes that the operating system has taken and not sent yet. Must be called on the event loop.
  var bytesToBeSent: Int {
    let count = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { socket in
      var count: Int32 = 0
      return ioctl(socket, UInt(unsentBytesRequest), &count) == 0 ? Int(count) : 0
    }
    return count ?? 0
  }
}

/// `SIOCOUTQNSD` of Linux, a macro that Swift does not import.
private let unsentBytesRequest = 0x894B

/// `struct linger` of socket(7), for a close that does not wait.
private struct Linger {
  var isOn: Int32 = 1
  var seconds: Int32 = 0
}
