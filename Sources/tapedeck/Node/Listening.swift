import Model
import NIOCore
import ServiceLifecycle

/// A server that says which setting names the address that it cannot listen on.
struct Listening<Server: Service>: Service {
  private let address: Settings.Address
  private let setting: Setting
  private let server: Server

  init(on address: Settings.Address, _ setting: Setting, _ server: Server) {
    self.address = address
    self.setting = setting
    self.server = server
  }

  func run() async throws {
    do { try await server.run() } catch {
      // Connections have errors of their own, which end no server.
      guard error is IOError || error is SocketAddressError else { throw error }
      throw TapedeckError(
        .configurationInvalid,
        "The server cannot listen on \(address.text) (\(Setting.variable(ofKey: setting.key(for: nil)))). Is the port taken?",
        detail: "\(error)", cause: error)
    }
  }
}
