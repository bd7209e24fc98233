import Foundation
import Testing

/// The JavaScript modules of the pages.
@Suite struct ScriptTests {
  private let folder = URL(filePath: #filePath).appending(path: "../../../Sources/Web/Resources").standardized

  /// The modules that each module imports.
  private func imports() throws -> [String: Set<String>] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path()).filter { $0.hasSuffix(".js") }
    var imports: [String: Set<String>] = [:]
    for name in names {
      let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
      imports[name] = Set(text.matches(of: /from '\.\/([a-z]+\.js)'/).map { String($0.1) })
    }
    return imports
  }

  @Test func `modules import others that exist, and none imports itself through others`() throws {
    var left = try imports()
    #expect(left.count > 20 && left["player.js"]?.isEmpty == false)
    for (name, imported) in left { #expect(imported.isSubset(of: left.keys), "\(name)") }
    // Without the modules that import nothing that is left, again and again, only circles remain.
    while let next = left.first(where: { $0.value.isDisjoint(with: left.keys) }) { left[next.key] = nil }
    #expect(left.isEmpty, "in circles: \(left.keys.sorted())")
  }
}
