package import Foundation

/// The Python environment of the tests, with the packages of `scripts/requirements-test.txt`.
package enum TestPython {
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  /// The root folder of the package.
  package static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The interpreter.
  ///
  /// - Throws: `Failure` when it is not installed.
  package static func executable() throws -> URL {
    let python = root.appending(path: ".venv/bin/python")
    guard FileManager.default.isExecutableFile(atPath: python.path()) else {
      throw Failure(description: "There is no .venv/bin/python: 'scripts/bootstrap --for test' prepares it.")
    }
    return python
  }

  /// Runs a script with JSON on its standard input and decodes the JSON that it prints.
  ///
  /// - Throws: `Failure` when its exit status is not 0.
  package static func run<Output: Decodable & Sendable>(
    _ script: URL, _ input: some Encodable & Sendable
  ) async throws -> Output {
    try await blocking { try runBlocking(script, input) }
  }

  /// Runs a blocking body on a thread of its own, because the code under test needs the threads of the pool.
  static func blocking<Output: Sendable>(_ body: @escaping @Sendable () throws -> Output) async throws -> Output {
    try await withCheckedThrowingContinuation { continuation in
      Thread { continuation.resume(with: Result { try body() }) }.start()
    }
  }

  private static func runBlocking<Output: Decodable>(_ script: URL, _ input: some Encodable) throws -> Output {
    let process = Process()
    process.executableURL = try executable()
    process.arguments = [script.path()]
    let (standardInput, standardOutput) = (Pipe(), Pipe())
    process.standardInput = standardInput
    process.standardOutput = standardOutput
    try process.run()
    try standardInput.fileHandleForWriting.write(contentsOf: try JSONEncoder().encode(input))
    try standardInput.fileHandleForWriting.close()
    let printed = try standardOutput.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failure(description: "\(script.lastPathComponent) ended with status \(process.terminationStatus)")
    }
    return try JSONDecoder().decode(Output.self, from: printed)
  }
}
