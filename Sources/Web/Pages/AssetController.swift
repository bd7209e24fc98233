import Crypto
import Deflate
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore

/// The scripts and styles, with the hash that is part of their addresses.
struct Assets: Sendable {
  struct Asset: Sendable {
    var contentType: String
    var bytes: ByteBuffer
    var compressed: ByteBuffer
    var etag: String
  }

  /// Read and compressed once, since several listeners share them.
  static let all = Assets()

  private(set) var files: [String: Asset] = [:]
  /// Changes whenever a file changes.
  let version: String

  private init() {
    var all = SHA256()
    for (name, bytes) in assetFiles {
      let type =
        switch name.split(separator: ".").last {
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        default: "text/javascript; charset=utf-8"
        }
      let hash = SHA256.hash(data: bytes)
      all.update(data: bytes)
      let bytes = ByteBuffer(bytes: bytes)
      files[name] = Asset(
        contentType: type, bytes: bytes, compressed: GzipCompressor.compressed(bytes),
        etag: "\"\(hex(hash.prefix(16)))\"")
    }
    version = hex(all.finalize().prefix(8))
  }
}

/// `GET /assets/{name}`: open, as the sign-in page needs them.
struct AssetController {
  let assets: Assets

  var routes: [Route] {
    [
      .open(
        .get, "/assets/{name}", .asset, "A script or style.", query: [QueryParameter("v", .text, "The version.")]
      ) { incoming in
        guard let asset = assets.files[incoming.path("name")] else { throw TapedeckError(.notFound) }
        let isVersioned = incoming.query["v"] == assets.version
        var headers: HTTPFields = [
          .contentType: asset.contentType, .eTag: asset.etag, .vary: "Accept-Encoding",
          .cacheControl: isVersioned ? "public, max-age=31536000, immutable" : "no-cache",
        ]
        let isCompressed = incoming.request.acceptsGzip
        if isCompressed { Response.describeGzip(of: asset.etag, in: &headers) }
        if incoming.request.hasVersion(headers[.eTag] ?? asset.etag) {
          return Response(status: .notModified, headers: headers)
        }
        let body = isCompressed ? asset.compressed : asset.bytes
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: body))
      }
    ]
  }
}

private let assetFiles: [(String, [UInt8])] = [
  ("canvas.js", PackageResources.canvas_js),
  ("channels.js", PackageResources.channels_js),
  ("deck.js", PackageResources.deck_js),
  ("drawing.js", PackageResources.drawing_js),
  ("heard.js", PackageResources.heard_js),
  ("icon.svg", PackageResources.icon_svg),
  ("keys.js", PackageResources.keys_js),
  ("lanes.js", PackageResources.lanes_js),
  ("link.js", PackageResources.link_js),
  ("list.js", PackageResources.list_js),
  ("loading.js", PackageResources.loading_js),
  ("loop.js", PackageResources.loop_js),
  ("page.js", PackageResources.page_js),
  ("passages.js", PackageResources.passages_js),
  ("peaks.js", PackageResources.peaks_js),
  ("playback.js", PackageResources.playback_js),
  ("player.js", PackageResources.player_js),
  ("pointer.js", PackageResources.pointer_js),
  ("position.js", PackageResources.position_js),
  ("preferences.js", PackageResources.preferences_js),
  ("progress.js", PackageResources.progress_js),
  ("ruler.js", PackageResources.ruler_js),
  ("sound.js", PackageResources.sound_js),
  ("tapedeck.css", PackageResources.tapedeck_css),
  ("time.js", PackageResources.time_js),
  ("waveform.js", PackageResources.waveform_js),
  ("zoom.js", PackageResources.zoom_js),
]
