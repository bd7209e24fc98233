import Foundation
package import Model
import NIOCore
import Synchronization

/// The addresses of a tenant's APIs, without a trailing slash.
package struct PlatformHosts: Sendable, Equatable {
  /// The hosts that belong to NICE, to which a discovered address may lead.
  static let known = ["*.nice-incontact.com", "*.niceincontact.com"]

  /// Of `/incontactapi/…`.
  package var acd: String
  /// Of `/media-playback/…`.
  package var area: String

  package init(acd: String, area: String) {
    self.acd = acd
    self.area = area
  }

  /// Reads the answer of discovery; configured addresses take precedence.
  ///
  /// - Throws: `platformProtocol` when an address is missing, or leads to a host that is not NICE's nor the issuer's:
  ///   requests to it have the token.
  package init(discovered body: String, for access: MediaPlaybackAccess) throws(TapedeckError) {
    let object = LenientObject(PlatformJSON.object(ByteBuffer(string: body)))
    let area = object?.text("area")
    let domain = object?.text("domain") ?? "niceincontact.com"
    self.acd = try Self.checked(
      access.acdURL, object?.text("api_endpoint", "apiEndpoint"), "CXONE_ACD_URL", access.issuerURL)
    self.area = try Self.checked(
      access.areaURL, area.map { "https://api-\($0).\(domain)" }, "CXONE_AREA_URL", access.issuerURL)
  }

  private static func checked(
    _ configured: String?, _ discovered: String?, _ setting: String, _ issuer: String
  ) throws(TapedeckError) -> String {
    if let configured { return configured }
    guard let discovered, let address = PlatformAddress(base: discovered) else {
      throw TapedeckError(
        .platformProtocol, "The platform's discovery does not name an address that can be used. Set \(setting).")
    }
    guard address.isAllowed(by: known) || address.host == PlatformAddress(base: issuer)?.host else {
      throw TapedeckError(
        .platformProtocol,
        "The platform's discovery names a host that is not known to be NICE's. If it is correct, set \(setting).",
        detail: "discovered '\(address.origin)'")
    }
    return address.text
  }
}

/// Finds the hosts of a tenant, and remembers them for a day.
final class HostDiscovery: Sendable {
  private static let lifetime = Duration.seconds(86_400)

  private let access: MediaPlaybackAccess
  private let call: PlatformCall
  private let found = Mutex<(hosts: PlatformHosts, at: Instant)?>(nil)
  private let turn = AsyncSemaphore(1)

  init(_ access: MediaPlaybackAccess, call: PlatformCall) {
    self.access = access
    self.call = call
  }

  /// - Parameter tenantID: of the token; nil before there is one.
  /// - Throws: `configurationInvalid` when the tenant is not known; what every call throws.
  func hosts(tenantID: String?) async throws(TapedeckError) -> PlatformHosts {
    if let acd = access.acdURL, let area = access.areaURL { return PlatformHosts(acd: acd, area: area) }
    return try await turn.withPermit { () async throws(TapedeckError) in
      let now = self.call.system.now()
      if let known = self.found.withLock({ $0 }), known.at.isWithin(Self.lifetime, before: now) { return known.hosts }
      let hosts = try await self.discover(tenantID: tenantID)
      self.found.withLock { $0 = (hosts: hosts, at: now) }
      return hosts
    }
  }

  /// Where the older sign-in call is sent, which needs no client ID and is sent before there is a token.
  func signInAddress() async throws(TapedeckError) -> String {
    if let area = access.areaURL { return area }
    let body = try await configuration(tenantID: nil)
    guard let area = LenientObject(PlatformJSON.object(body))?.text("area"),
      let address = PlatformAddress(base: "https://\(area).nice-incontact.com")
    else {
      throw TapedeckError(
        .platformProtocol, "The platform's discovery does not name the area of the tenant. Set CXONE_AREA_URL.")
    }
    return address.text
  }

  private func discover(tenantID: String?) async throws(TapedeckError) -> PlatformHosts {
    let body = try await configuration(tenantID: tenantID)
    return try PlatformHosts(discovered: String(decoding: PlatformJSON.utf8(body), as: UTF8.self), for: access)
  }

  /// `GET {issuer}/.well-known/cxone-configuration`. Needs no token.
  private func configuration(tenantID: String?) async throws(TapedeckError) -> ByteBuffer {
    guard let tenant = access.tenantID ?? tenantID else {
      throw TapedeckError(
        .configurationInvalid,
        "The token does not name the tenant. Set CXONE_TENANT_ID, or both CXONE_ACD_URL and CXONE_AREA_URL.")
    }
    var request = call.request(
      url: "\(access.issuerURL)/.well-known/cxone-configuration?tenantId=\(percentEncoded(tenant))")
    MediaPlaybackClient.addHeaders(to: &request)
    let answer = try await call.answer(to: request, endpoint: .token)
    if answer.status == 404 {
      throw TapedeckError(
        .configurationInvalid, "The platform does not know the tenant. Check CXONE_TENANT_ID and CXONE_ISSUER_URL.")
    }
    if let failure = MediaPlaybackFailures.failure(answer, of: .discovery, now: call.system.now()) { throw failure }
    return answer.body
  }
}
