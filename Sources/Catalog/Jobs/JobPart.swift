import Model

/// The progress of the download of one part of a recording.
package struct JobPart: Sendable, Equatable {
  /// Counted from 0.
  package var part: Int
  /// What the platform's client needs to resume, as JSON.
  package var download: String?
  package var bytes: Int64
  /// Nil until the platform reports it.
  package var totalBytes: Int64?
  /// SHA-256 of all bytes in hexadecimal; nil until the download is complete.
  package var sha256: String?

  package init(_ part: Int, download: String?, bytes: Int64, totalBytes: Int64?, sha256: String? = nil) {
    self.part = part
    self.download = download
    self.bytes = bytes
    self.totalBytes = totalBytes
    self.sha256 = sha256
  }

  fileprivate init(_ row: Row) throws(TapedeckError) {
    part = Int(try row.int("part"))
    download = row.optionalText("download")
    bytes = try row.int("bytes")
    totalBytes = row.optionalInt("total_bytes")
    sha256 = row.optionalText("sha256")
  }
}

extension Connection {
  /// Rows of `job` with their parts.
  func jobs(_ rows: [Row]) throws(TapedeckError) -> [JobRow] {
    guard !rows.isEmpty else { return [] }
    var ids: [Int64] = []
    for row in rows { ids.append(try row.int("id")) }
    var parts: [Int64: [JobPart]] = [:]
    for row in try self.rows("SELECT * FROM job_part WHERE job_id IN \(SQL.list(ids))") {
      parts[try row.int("job_id"), default: []].append(try JobPart(row))
    }
    var jobs: [JobRow] = []
    for row in rows {
      let own = parts[try row.int("id")] ?? []
      jobs.append(try JobRow(row, parts: own.sorted { $0.part < $1.part }))
    }
    return jobs
  }

  /// A job by its number; nil when there is none.
  func job(_ id: Int64) throws(TapedeckError) -> JobRow? {
    try jobs(try rows("SELECT * FROM job WHERE id = \(id)")).first
  }

  func store(_ part: JobPart, of jobID: Int64) throws(TapedeckError) {
    try execute(
      """
      INSERT INTO job_part (job_id, part, download, bytes, total_bytes, sha256)
      VALUES (\(jobID), \(part.part), \(part.download), \(part.bytes), \(part.totalBytes), \(part.sha256))
      ON CONFLICT (job_id, part) DO UPDATE SET download = excluded.download, bytes = excluded.bytes,
        total_bytes = excluded.total_bytes, sha256 = excluded.sha256
      """)
  }

  /// Deletes the download state of jobs, so that they start again with the first byte.
  func removeParts(ofJobs ids: [Int64]) throws(TapedeckError) {
    guard !ids.isEmpty else { return }
    try execute("DELETE FROM job_part WHERE job_id IN \(SQL.list(ids))")
  }
}
