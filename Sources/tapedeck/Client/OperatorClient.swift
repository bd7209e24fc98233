import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOHTTP1

/// A command's way to the process that owns the data directory: HTTP over the socket in it.
struct OperatorClient: Sendable {
  let client: HTTPClient
  let socket: String

  struct Reply: Sendable {
    var status: Int
    var data: Data

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
      do { return try JSONDecoder().decode(type, from: data) } catch {
        throw TapedeckError(.internalError, "The server's answer could not be understood.", cause: error)
      }
    }
  }

  private struct Problem: Decodable {
    var code: String
    var detail: String
  }

  func get(_ path: String, _ query: [String: String?] = [:]) async throws -> Reply {
    var components = URLComponents()
    components.queryItems = query.compactMap { name, value in value.map { URLQueryItem(name: name, value: $0) } }
      .sorted { $0.name < $1.name }
    // A plus sign is left alone by Foundation and read as a space by servers.
    let text = components.percentEncodedQuery?.replacing("+", with: "%2B") ?? ""
    return try await send(.GET, text.isEmpty ? path : "\(path)?\(text)")
  }

  /// - Throws: the error that the server tells of, by its code; `serverUnreachable`.
  func send(
    _ method: HTTPMethod, _ path: String, json: (any Encodable & Sendable)? = nil, headers: [(String, String)] = []
  ) async throws -> Reply {
    let host = socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    var request = HTTPClientRequest(url: "http+unix://\(host)\(path)")
    request.method = method
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let json {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(json)))
    }
    let reply: Reply
    do {
      let response = try await client.execute(request, timeout: .hours(2))
      let body = try await response.body.collect(upTo: 64 << 20)
      reply = Reply(status: Int(response.status.code), data: Data(body.readableBytesView))
    } catch {
      throw TapedeckError(
        Task.isCancelled ? .interrupted : .serverUnreachable,
        "The process that owns the data directory does not answer.", detail: "\(error)", cause: error)
    }
    guard reply.status < 400 else {
      guard let problem = try? JSONDecoder().decode(Problem.self, from: reply.data) else {
        throw TapedeckError(.internalError, "The server answered with status \(reply.status).")
      }
      throw TapedeckError(TapedeckError.Code(rawValue: problem.code) ?? .internalError, problem.detail)
    }
    return reply
  }
}
