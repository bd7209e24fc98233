import Foundation

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One request over a plain socket, and every byte received until the server closed it.
package enum RawConnection {
  ///
  /// - Parameter endsInput: whether the client closes its half of the connection after the request.
  package static func exchange(port: Int, request: String, endsInput: Bool = false) async throws -> [UInt8] {
    // Blocking calls, kept off the threads of Swift tasks.
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(with: Result { try blocking(port: port, request: request, endsInput: endsInput) })
      }
    }
  }

  private static func blocking(port: Int, request: String, endsInput: Bool) throws -> [UInt8] {
    #if canImport(Glibc)
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    #else
      let descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    let bytes = Array(request.utf8)
    guard connected == 0, write(descriptor, bytes, bytes.count) == bytes.count else { throw POSIXError(.ECONNREFUSED) }
    if endsInput { shutdown(descriptor, Int32(SHUT_WR)) }
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count >= 0 else { throw POSIXError(.ECONNRESET) }
      if count == 0 { return received }
      received += buffer.prefix(count)
    }
  }
}
