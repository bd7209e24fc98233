import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore

extension SandboxTenant {
  /// `GET /media/{contact}/{part}` on the media host.
  func addSignedMediaEndpoint(to router: Router<SandboxContext>) {
    router.get("/media/:contact/:part") { request, context in
      let call = context.parameters.get("contact").flatMap { self.recording(ofContact: $0) }
      return try await exchange(.download, request, context, about: call?.id) { exchange in
        try await signedMedia(call, exchange, context)
      }
    }
  }

  private func signedMedia(
    _ recording: SandboxRecording?, _ exchange: Exchange, _ context: SandboxContext
  ) async throws -> Response {
    // The address is the only authentication; a token is an error, and would be a leak.
    guard exchange.request.headers[.authorization] == nil else {
      throw Refusal(.badRequest, "InvalidArgument", "Only one authentication mechanism is allowed.")
    }
    let signature = exchange.request.uri.queryParameters.get("X-Amz-Signature") ?? ""
    guard let recording, let target = addresses.target(of: signature), target.contactID == recording.contactID,
      context.parameters.get("part") == "\(target.part)",
      let file = await media(recording, part: target.part)
    else { throw Refusal(.forbidden, "AccessDenied", "Request has expired") }
    return deliver(file.audio, of: recording.id, for: exchange, as: file.type)
  }

  /// The media file of an interaction.
  package func mediaFile(_ call: SpecialCall, part: Int = 0) async -> [UInt8]? {
    guard let recording = self.recording(ofContact: call.contactID), let file = await media(recording, part: part)
    else { return nil }
    return file.audio.read(0..<file.audio.totalBytes)
  }

  private func media(_ recording: SandboxRecording, part: Int) async -> (audio: SandboxAudio, type: String)? {
    let special = SpecialCall(recording)
    if special == .mp3 || special == .twoFormats && part == 1 {
      return (SandboxAudio(bytes: Self.silence(seconds: recording.durationSeconds), seed: 3), "audio/mpeg")
    }
    guard part > 0 else {
      guard let first = await audio(of: recording.id) else { return nil }
      return (first, "audio/wav")
    }
    let seed = SeededRandom.seed("\(recording.id) part \(part)", under: configuration.seed)
    return (SandboxAudio(format: recording.format, dataBytes: recording.dataBytes, seed: seed), "audio/wav")
  }

  /// MP3 frames of silence: MPEG-2 Layer III, one channel, 16 kHz, 32 kbit/s. A frame has 144 bytes and lasts 36 ms.
  private static func silence(seconds: Int) -> [UInt8] {
    let frame: [UInt8] = [0xFF, 0xF3, 0x48, 0xC0] + [UInt8](repeating: 0, count: 140)
    return Array(repeatElement(frame, count: seconds * 1000 / 36).joined())
  }

  // MARK: Files of the ACD

  /// `GET /incontactapi/services/{version}/contacts/{contact}/files`.
  func addFileEndpoint(to router: Router<SandboxContext>) {
    router.get("/incontactapi/services/:version/contacts/:contact/files") { request, context in
      let call = context.parameters.get("contact").flatMap { self.recording(ofContact: $0) }
      return try await exchange(.search, request, context, about: call?.id) { exchange in
        try await file(of: call, exchange.request)
      }
    }
  }

  private func file(of recording: SandboxRecording?, _ request: Request) async throws -> Response {
    try authorizeAny(request)
    guard let recording, SpecialCall(recording) == .file, let audio = await self.audio(of: recording.id) else {
      return Response(status: .noContent)
    }
    let name = "call \(recording.contactID).wav"
    guard let wanted = request.uri.queryParameters.get("fileName") else {
      return .json(
        object: [
          "files": [
            ["fileName": "notes.txt", "purposeName": "Attachment"],
            ["fileName": name, "purposeName": "CallLog", "fullFileName": name],
          ]
        ])
    }
    guard wanted == name else { throw Refusal(.notFound, "not_found", "There is no such file.") }
    let text = Data(audio.read(0..<audio.totalBytes)).base64EncodedString()
    return .json(object: ["files": ["file": text, "fileName": name]])
  }
}
