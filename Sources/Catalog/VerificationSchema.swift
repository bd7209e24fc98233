/// When the bytes of each recording were last compared with the catalog, and what was found wrong with them.
func verificationSchema(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    "ALTER TABLE recording ADD COLUMN verified_at \(integer)",
    // A sentence for people; null while nothing is known to be wrong.
    "ALTER TABLE recording ADD COLUMN damage \(text)",
    // What was never read back counts from when it was written.
    """
    CREATE INDEX recording_by_verification ON recording (coalesce(verified_at, archived_at), id)
    WHERE archived_at IS NOT NULL
    """,
    "CREATE INDEX recording_by_damage ON recording (id) WHERE damage IS NOT NULL",
  ]
}
