import HTTPTypes
import Hummingbird
import Model
import NIOCore

extension SandboxTenant {
  /// `PUT /sandbox/recordings/{id}?seconds=…`: the tenant then has a recording of this length, whose file is the body.
  func addFileEndpoint(to control: RouterGroup<SandboxContext>) {
    control.put("/recordings/:id") { request, context in
      guard let id = context.parameters.get("id"),
        let seconds = request.uri.queryParameters.get("seconds", as: Int.self),
        (0...100_000).contains(seconds), let body = try? await request.body.collect(upTo: 64 << 20)
      else {
        return Refusal(.badRequest, "invalid_request", "Send a file of at most 64 MiB, with its length in ?seconds=…")
          .response
      }
      let type = request.headers[.contentType] ?? "application/octet-stream"
      history.addFile(StoredFile(bytes: body, mediaType: type, seconds: seconds), of: id)
      return Response(status: .noContent)
    }
  }

  /// A recording with a file of a test.
  func recording(_ id: String, with file: StoredFile) -> SandboxRecording {
    var random = SeededRandom(seed: SeededRandom.seed(id, under: 0))
    let format = WAVFormat(.pcm16, channels: 1)
    var call = CallCentre.call(
      id: id, start: recordings.first?.startTime ?? system.now(), format: format,
      dataBytes: format.dataBytes(milliseconds: 1000 * file.seconds), direction: .outbound, random: &random)
    call.isHidden = true
    return call
  }
}

/// A file that a test has given to the tenant, which sends it as it is.
struct StoredFile: Sendable {
  var bytes: ByteBuffer
  var mediaType: String
  /// The length of the call according to the metadata.
  var seconds: Int
}
