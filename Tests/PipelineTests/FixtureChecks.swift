import Catalog
import Model
import Testing

extension PipelineFixture {
  /// Checks that every file belongs to a row and that every row has its files.
  func expectTidy(archived: Int, quarantined: Int = 0, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let spool = try files(in: "spool")
    #expect(spool.isEmpty, "left in the spool: \(spool)", sourceLocation: sourceLocation)
    let known = try await database.read { db in
      try db.rows(
        """
        SELECT original_object AS name FROM media_part WHERE original_object IS NOT NULL
        UNION SELECT mp3_object FROM media_part UNION SELECT peaks_object FROM media_part
        UNION SELECT mp3_object FROM joined_media UNION SELECT peaks_object FROM joined_media
        """
      ).map { try $0.value("name", as: ObjectName.self) }
    }
    let leaving = try await database.read { db in
      try db.rows("SELECT name FROM object_removal").map { try $0.value("name", as: ObjectName.self) }
    }
    #expect(try await objects().subtracting(leaving) == Set(known), sourceLocation: sourceLocation)
    #expect(
      try await count("FROM (SELECT DISTINCT recording_id FROM media_part) p") == Int64(archived),
      sourceLocation: sourceLocation)
    #expect(
      try await count("FROM recording WHERE archived_at IS NOT NULL") == Int64(archived),
      sourceLocation: sourceLocation)
    #expect(
      try await count("FROM log_entry WHERE action = 'archive'") == Int64(archived), sourceLocation: sourceLocation)
    // The bytes, and the reason next to them.
    #expect(try files(in: "quarantine").count == 2 * quarantined, sourceLocation: sourceLocation)
  }

  /// Checks that the archived original equals the tenant's file.
  func expectOriginal(_ id: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let archived = try #require(try await catalog.archived(try key(id)), sourceLocation: sourceLocation)
    let part = try #require(archived.parts.first, sourceLocation: sourceLocation)
    let original = try bytes(ofObject: try #require(part.original, sourceLocation: sourceLocation))
    let sent = try await self.original(id)
    #expect(original.count == sent.count, sourceLocation: sourceLocation)
    #expect(original == sent, "the bytes differ", sourceLocation: sourceLocation)
  }

}
