import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Why a request received no complete response.
///
/// AsyncHTTPClient reports it with several unrelated error types, depending on where the connection failed.
package enum ConnectionProblem: Sendable, Equatable {
  case timeout
  /// The server's certificate is not trusted, has expired, or names another host.
  case certificate
  /// TLS failed for another reason.
  case handshake
  case unknownHost
  case refused
  case closed
  /// The response violates HTTP.
  case malformed
  /// The proxy that the environment names could not be reached, or refused the connection.
  case proxy
  case other

  package init(_ error: any Error) {
    switch error {
    case is ProxyFailure: self = .proxy
    case let error as HTTPClientError where Self.proxyErrors.contains(error): self = .proxy
    case let error as HTTPClientError:
      self =
        Self.timeouts.contains(error) ? .timeout : error == .remoteConnectionClosed ? .closed : .other
    case let error as NIOConnectionError: self.init(connecting: error)
    case let error as NIOSSLExtraError: self = error == .failedToValidateHostname ? .certificate : .handshake
    case is NIOSSLError, is BoringSSLError:
      self = String(describing: error).contains("CERTIFICATE_VERIFY_FAILED") ? .certificate : .handshake
    case HTTPParserError.invalidEOFState: self = .closed
    case is HTTPParserError: self = .malformed
    case let error as ChannelError:
      switch error {
      case .ioOnClosedChannel, .alreadyClosed: self = .closed
      case .connectTimeout: self = .timeout
      default: self = .other
      }
    case let error as IOError: self.init(number: error.errnoCode)
    default: self = .other
    }
  }

  /// Several addresses may have been tried; one that was refused says more than one that did not respond.
  private init(connecting error: NIOConnectionError) {
    let problems = error.connectionErrors.map { ConnectionProblem($0.error) }
    if problems.isEmpty, error.dnsAError != nil || error.dnsAAAAError != nil {
      self = .unknownHost
    } else {
      self = problems.contains(.refused) ? .refused : problems.first ?? .other
    }
  }

  private init(number: CInt) {
    switch number {
    case ECONNREFUSED: self = .refused
    case ECONNRESET, EPIPE: self = .closed
    case ETIMEDOUT: self = .timeout
    default: self = .other
    }
  }

  /// Whether the server closed the connection before it sent any part of a response, as it may do with an idle one.
  package static func wasClosedUnanswered(_ error: any Error) -> Bool {
    if case HTTPParserError.invalidEOFState = error { return false }
    return ConnectionProblem(error) == .closed
  }

  /// One or two sentences for operators; `server` is a noun with its article, such as "the platform".
  package func message(about server: String) -> String {
    let subject = server.prefix(1).uppercased() + server.dropFirst()
    return switch self {
    case .timeout: "\(subject) did not respond in time."
    case .certificate:
      "The certificate of \(server) is not trusted, has expired, or is for another host name. If a private "
        + "certificate authority has signed it, add that authority with SSL_CERT_FILE."
    case .handshake: "The TLS connection to \(server) could not be established. Check that the port uses TLS."
    case .unknownHost:
      "The host name of \(server) could not be resolved (DNS). Check the address and this machine's name server."
    case .refused: "\(subject) refused the connection. Check the host and the port, and that the server is running."
    case .closed: "\(subject) closed the connection before the end of the response."
    case .malformed: "\(subject) sent a response that violates HTTP."
    case .proxy:
      "The proxy that HTTPS_PROXY or HTTP_PROXY names did not connect to \(server). Check its address, user name and password, and "
        + "NO_PROXY."
    case .other: "\(subject) could not be reached, or the connection broke."
    }
  }

  /// Describes an error for the log. The long description of `HTTPClientError` can contain header values, including
  /// secrets.
  package static func detail(_ error: any Error) -> String {
    switch error {
    case let error as ProxyFailure: detail(error.cause)
    case let error as HTTPClientError: error.shortDescription
    case HTTPParserError.invalidEOFState: "the connection was closed before the end of the response"
    case let error as HTTPParserError: "the response violates HTTP framing: \(error)"
    case let error as IOError where error.errnoCode == ECONNRESET:
      "the connection was reset before the end of the response"
    case let error as IOError: "\(error.description)"
    default: "\(type(of: error)): \(String(describing: error).prefix(500))"
    }
  }

  private static let timeouts: [HTTPClientError] = [
    .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout,
    .getConnectionFromPoolTimeout, .socksHandshakeTimeout,
  ]

  private static let proxyErrors: [HTTPClientError] = [
    .proxyAuthenticationRequired, .invalidProxyResponse, .httpProxyHandshakeTimeout,
  ]
}
