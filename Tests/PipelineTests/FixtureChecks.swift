import Catalog
import Model
import Testing

extension PipelineFixture {
  /// Nothing lies about that no row knows, and nothing is missing that a row knows.
  func expectTidy(archived: Int, quarantined: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let spool = try files(in: "spool")
    #expect(spool.isEmpty, "left in the spool: \(spool)", sourceLocation: sourceLocation)
    let known = try await database.read { db in
      try db.rows(
        """
        SELECT original_key AS key FROM media_part WHERE original_key IS NOT NULL
        UNION SELECT mp3_key FROM media_part UNION SELECT peaks_key FROM media_part
        """
      ).map { try $0.text("key") }
    }
    #expect(try await objects() == Set(known), sourceLocation: sourceLocation)
    #expect(try await count("FROM media_part") == Int64(archived), sourceLocation: sourceLocation)
    #expect(
      try await count("FROM recording WHERE archived_at IS NOT NULL") == Int64(archived),
      sourceLocation: sourceLocation)
    #expect(
      try await count("FROM log_entry WHERE action = 'archive'") == Int64(archived), sourceLocation: sourceLocation)
    // The bytes, and the reason beside them.
    #expect(try files(in: "quarantine").count == 2 * quarantined, sourceLocation: sourceLocation)
  }

  /// The archive's original is what the tenant has, to the byte.
  func expectOriginal(_ id: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let archived = try #require(try await catalog.archived(try key(id)), sourceLocation: sourceLocation)
    let part = try #require(archived.parts.first, sourceLocation: sourceLocation)
    let original = try bytes(ofObject: try #require(part.originalKey, sourceLocation: sourceLocation))
    let sent = try await self.original(id)
    #expect(original.count == sent.count, sourceLocation: sourceLocation)
    #expect(original == sent, "the bytes differ", sourceLocation: sourceLocation)
  }

}
