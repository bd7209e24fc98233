import Dispatch
import Foundation
import Model

@testable import Audio

/// The parser of recordings that libFuzzer gives its inputs to; `test_parsers.py` runs this program once for each.
private let parser = ProcessInfo.processInfo.environment["FUZZ_PARSER"] ?? ""

/// Parses as Tapedeck does, where the bytes are a whole file or report.
@Sendable private func parse(_ bytes: [UInt8]) async {
  let read: (Range<Int64>) async throws(TapedeckError) -> [UInt8] = { range throws(TapedeckError) in
    Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
  }
  func readStructure(_ containers: [MediaContainer]) async {
    for container in containers {
      _ = try? await ContainerStructure.read(container, fileLength: Int64(bytes.count), reading: read)
    }
  }
  switch parser {
  case "wav":
    _ = MediaSignature(bytes)
    guard case .header(let header) = WAVHeader.read(bytes) else { return }
    let length = Int64(bytes.count)
    let end = min(length, header.dataOffset + header.audioBytes(fileLength: length))
    let unexplained = try? await WAVChunks.unexplained(after: end, fileLength: length, reading: read)
    _ = IntegrityCheck(
      firstBytes: bytes[...], fileLength: length, declaredLength: length, platformDuration: .seconds(1),
      decodedDuration: .seconds(1), unexplainedBytes: unexplained
    ).result()
  case "parts": await readStructure([.w64, .mp4, .flac])
  case "frames": await readStructure([.ogg, .mp3, .amr])
  case "report":
    var report = ConversionReport(limitedTo: .seconds(60))
    // In two pieces, whose border the first byte chooses.
    let border = min(bytes.count, Int(bytes.first ?? 0))
    for piece in [bytes[..<border], bytes[border...]] {
      do { try piece.withUnsafeBytes { try report.append($0) } } catch { return }
    }
    _ = report.conversion
  default: fatalError("FUZZ_PARSER is wav, parts, frames or report")
  }
}

/// Called by libFuzzer with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: bytes, count: count))
  let done = DispatchSemaphore(value: 0)
  Task.detached {
    await parse(input)
    done.signal()
  }
  done.wait()
  return 0
}
