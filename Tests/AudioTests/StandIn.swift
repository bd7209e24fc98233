import Foundation
import Synchronization
import SystemPackage
import Testing

/// A shell script in place of FFmpeg. `$here` is its folder; `ready` says that it runs, and leaves a pipe open that tells
/// when it and all it has started are gone.
func withStandIn(
  _ script: String, _ body: (_ executable: String, _ folder: FilePath) async throws -> Void
) async throws {
  try await Scratch.with { folder in
    let (source, path) = (folder.appending("source").string, folder.appending("ffmpeg").string)
    try
      "#!/bin/sh\nhere='\(folder.string)'\necho $$ > $here/pid\nready() { exec 9>$here/ready; echo >&9; }\n\(script)\n"
      .write(toFile: source, atomically: true, encoding: .utf8)
    try #require(mkfifo(folder.appending("ready").string, 0o600) == 0)
    // A program that we wrote ourselves is busy while a child of another test has not yet closed our files.
    try runTool("install", ["-m", "755", source, path])
    try await body(path, folder)
  }
}

/// Whether the process whose id a stand-in wrote down is neither running nor a zombie.
func isGone(in folder: FilePath) throws -> Bool {
  let text = try String(contentsOfFile: folder.appending("pid").string, encoding: .utf8)
  let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
  return kill(pid, 0) == -1 && errno == ESRCH
}

/// The pipe through which a stand-in tells that it is ready and, by its end, that it is gone.
final class Lifeline: Sendable {
  private let path: FilePath
  private let pipe = Mutex<FileDescriptor?>(nil)

  init(_ folder: FilePath) { path = folder.appending("ready") }

  /// Waits until the stand-in has called `ready`.
  func ready() async throws {
    let pipe = try await blocking { [path] in
      // Opening a named pipe blocks until its other end is opened too.
      let pipe = try FileDescriptor.open(path, .readOnly)
      _ = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { try pipe.read(into: $0) }
      return pipe
    }
    self.pipe.withLock { $0 = pipe }
  }

  /// Waits until no process is left that has the pipe open; for ever when one was forgotten.
  func ended() async throws {
    let pipe = try #require(pipe.withLock { $0 })
    try await blocking {
      try pipe.closeAfter {
        try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { while try pipe.read(into: $0) > 0 {} }
      }
    }
  }

  private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
  }
}
