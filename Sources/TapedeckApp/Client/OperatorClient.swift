import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOHTTP1

/// An HTTP client for the process that owns the data directory, over the command socket.
struct OperatorClient: Sendable {
  let client: HTTPClient
  let socket: String
  /// Whether the process can reach the platform; false only for a node of this process without settings of one.
  var hasPlatform = true

  struct Reply: Sendable {
    var status: Int
    var data: Data

    func decode<T: Decodable>(_ type: T.Type) throws -> T {
      do { return try JSONDecoder().decode(type, from: data) } catch {
        throw TapedeckError(
          .internalError, "The server's answer could not be read. Use the same version of the command and the server.",
          cause: error)
      }
    }
  }

  private struct Problem: Decodable {
    var code: String
    var detail: String
    var help: String?
  }

  func get(
    _ path: String, _ query: [String: String?] = [:], within limit: TimeAmount = .hours(2)
  ) async throws -> Reply {
    try await send(.GET, path, query: query, within: limit)
  }

  /// - Parameter query: parameters without a value are left out.
  /// - Throws: the error that the server reports; `serverUnreachable`; `interrupted`.
  func send(
    _ method: HTTPMethod, _ path: String, query: [String: String?] = [:], json: (any Encodable & Sendable)? = nil,
    headers: [(String, String)] = [], within limit: TimeAmount = .hours(2)
  ) async throws -> Reply {
    var request = HTTPClientRequest(url: "http+unix://\(pathSegment(socket))\(Self.target(path, query))")
    request.method = method
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let json {
      request.headers.add(name: "Content-Type", value: "application/json")
      request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(json)))
    }
    let reply: Reply
    do {
      let response = try await client.execute(request, timeout: limit)
      let body = try await response.body.collect(upTo: 64 << 20)
      reply = Reply(status: Int(response.status.code), data: Data(body.readableBytesView))
    } catch { throw Self.unreachable(error) }
    try Self.check(reply)
    return reply
  }

  /// Receives a long response piece by piece.
  ///
  /// - Throws: as `send`; a response that ends early throws `serverUnreachable`.
  func stream(_ path: String, _ query: [String: String?], _ body: (ByteBufferView) -> Void) async throws {
    let request = HTTPClientRequest(url: "http+unix://\(pathSegment(socket))\(Self.target(path, query))")
    do {
      let response = try await client.execute(request, timeout: .hours(2))
      guard response.status.code < 400 else {
        let data = Data(try await response.body.collect(upTo: 64 << 10).readableBytesView)
        return try Self.check(Reply(status: Int(response.status.code), data: data))
      }
      for try await piece in response.body {
        guard Terminal.hasOutput else { return }
        body(piece.readableBytesView)
      }
    } catch let error as TapedeckError { throw error } catch { throw Self.unreachable(error) }
  }

  private static func unreachable(_ error: any Error) -> TapedeckError {
    TapedeckError(
      Task.isCancelled ? .interrupted : .serverUnreachable,
      "The process that uses the data directory does not answer. Check that it is running, then try again.",
      detail: "\(error)", cause: error)
  }

  /// Throws the error that the server reports.
  private static func check(_ reply: Reply) throws(TapedeckError) {
    guard reply.status >= 400 else { return }
    guard let problem = try? JSONDecoder().decode(Problem.self, from: reply.data) else {
      throw TapedeckError(.internalError, "The server answered with status \(reply.status).")
    }
    let code = TapedeckError.Code(rawValue: problem.code) ?? .internalError
    let message = problem.help.map { "\(problem.detail). \($0)" } ?? problem.detail
    throw TapedeckError(code, code == .invalidRequest ? namingOptions(message) : message)
  }

  /// The message with the names of parameters as the options of commands: `--from` for `'from'`.
  private static func namingOptions(_ message: String) -> String {
    message.replacing(/'(from|to|direction|source|agent|status|state|code|what|outcome|recording|limit)'/) {
      "--\($0.output.1)"
    }
  }

  private static func target(_ path: String, _ query: [String: String?]) -> String {
    var components = URLComponents()
    components.queryItems = query.compactMap { name, value in value.map { URLQueryItem(name: name, value: $0) } }
      .sorted { $0.name < $1.name }
    // Foundation leaves a plus sign as it is, which servers read as a space.
    let text = components.percentEncodedQuery?.replacing("+", with: "%2B") ?? ""
    return text.isEmpty ? path : "\(path)?\(text)"
  }
}

/// A text as one segment of a path.
func pathSegment(_ text: String) -> String {
  text.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["_"])) ?? text
}
