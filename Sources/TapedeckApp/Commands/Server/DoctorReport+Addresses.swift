import Model
import NIOCore
import NIOPosix

extension DoctorReport {
  /// Listens on the addresses of the server for a moment. A running server of this data directory has them already.
  mutating func checkAddresses(_ settings: Settings) async throws {
    let directory = settings.directory
    // Without the file no process has used the directory, and taking the lock would create it.
    if directory.hasLockFile, (try? directory.tryLock() == nil) ?? false { return }
    var addresses = [(Setting.listen, settings.listen)]
    if let metrics = settings.metricsListen { addresses.append((.metricsListen, metrics)) }
    var failure: TapedeckError?
    for (setting, address) in addresses {
      do { try await Self.listen(on: address) } catch {
        failure = failure ?? .cannotListen(on: address, setting, error)
      }
    }
    try add(
      "Addresses", failure,
      remedy: "Stop the program that uses the port ('ss -ltnp' lists them), or set another address of this machine.",
      found: addresses.map(\.1.text).joined(separator: ", "))
  }

  private static func listen(on address: Settings.Address) async throws {
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .bind(host: address.host, port: address.port).get()
    try await channel.close()
  }
}
