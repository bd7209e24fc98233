import Audio
import Foundation
import Glibc
import Model
import ObjectStorage
import SystemPackage

extension DoctorReport {
  mutating func checkTranscoder(_ settings: Settings) async throws {
    let transcoder = settings.makeTranscoder()
    let protections: TranscoderProtections
    do throws(TapedeckError) { protections = try await transcoder.start() } catch {
      try add(
        "Transcoder", error,
        remedy: error.code == .configurationInvalid
          ? "Use a kernel with seccomp and Landlock, or unset TAPEDECK_TRANSCODER_SANDBOX."
          : "Install it with 'make install', and FFmpeg's libraries ('apt-get install ffmpeg' includes them). "
            + (error.detail.map { "Reason: \($0)" } ?? ""))
      return try skip("Conversion of a sample")
    }
    try add(
      "Transcoder", nil, remedy: "", found: "\(protections)",
      warnings: protections.missing.map {
        ["This kernel has no \($0), so a recording that exploits a fault in FFmpeg is confined less."]
      } ?? [])
    var failure: TapedeckError?
    do throws(TapedeckError) { try await transcoder.convertSample() } catch { failure = error }
    try add(
      "Conversion of a sample", failure,
      remedy: "Check the limits of the user that runs Tapedeck ('ulimit -a') and the memory of the machine.",
      found: "one second of audio was converted")
  }

  mutating func checkDisk(_ settings: Settings) throws {
    let directory = settings.directory
    var folder = directory.path
    var found = settings.dataDirectory
    var warnings: [String] = []
    if directory.exists {
      if let limit = Descriptors.fileSizeNotice { warnings.append("\(limit).") }
      if let warning = directory.permissionWarning { warnings.append(warning) }
      if !warnings.isEmpty { found += "." }
    } else {
      // Its nearest existing parent must be writable.
      while access(folder.string, F_OK) != 0, folder.removingLastComponent() != folder {
        folder = folder.removingLastComponent()
      }
      found += " does not exist yet and can be created"
    }
    var failure: TapedeckError?
    do throws(TapedeckError) {
      try WriteProbe.tryToWrite(in: folder)
      for folder in directory.folders where access(folder.string, F_OK) == 0 { try WriteProbe.tryToWrite(in: folder) }
    } catch { failure = error }
    let isWritable = try add(
      "Data directory", failure,
      remedy:
        "Run 'chown -R USER \(folder)' with the user that runs Tapedeck, or set TAPEDECK_DATA_DIR to another folder.",
      found: found, warnings: warnings)
    guard isWritable else { return try skip("Disk space") }
    let free = (try? FileSystemCalls.freeBytes(at: folder)) ?? 0
    let needed = max(settings.minimumFreeBytes, 1 << 30)
    let gigabytes = "\(grouped(Double(free) / 1e9, decimals: 1)) GB free"
    try add(
      "Disk space", free >= needed ? nil : TapedeckError(.diskFull, "Only \(gigabytes)."),
      remedy:
        "Free disk space ('df -h \(folder)' shows the disk), or set TAPEDECK_DATA_DIR to a folder on a larger disk. "
        + "An hour of 8 kHz stereo takes about 145 MB with its original, 30 MB without.",
      found: gigabytes)
  }

  /// A running server whose command socket was removed answers no command. Without a server there is nothing to check.
  mutating func checkCommandSocket(_ settings: Settings) async throws {
    let directory = settings.directory
    guard directory.hasLockFile else { return }
    var failure: TapedeckError?
    do {
      guard try await directory.lock(orListenerAt: directory.socket(), within: .seconds(2)) == nil else { return }
    } catch let error as TapedeckError where error.code == .dataDirectoryInUse {
      failure = TapedeckError(
        .dataDirectoryInUse,
        "A process is using the data directory, but does not listen on its command socket 'tapedeck.sock'.")
    } catch is TapedeckError {
      // The check of the data directory has reported it.
      return
    }
    try add(
      "Command socket", failure,
      remedy:
        "If a server is starting or stopping, or a command such as 'tapedeck storage' is running, wait until it has "
        + "finished. Otherwise the socket was removed or replaced: restart the server ('systemctl restart tapedeck').",
      found: "a running server listens on it")
  }
}
