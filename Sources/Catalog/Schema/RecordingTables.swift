/// Recordings and their files.
func recordingTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // The facts of a recording from the platform, and its state in the archive.
    """
    CREATE TABLE recording (
      id \(dialect.identity),
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      platform_status \(text) NOT NULL,
      privacy \(text) NOT NULL,
      -- 0 while the platform has not reported the privacy, which counts as restricted until then.
      privacy_is_known \(integer) NOT NULL DEFAULT 1,
      started_at \(integer),
      ended_at \(integer),
      duration_s \(integer),
      direction \(text),
      agent_id \(text), agent_name \(text),
      team_id \(text),
      skill_id \(text), skill_name \(text),
      campaign_id \(text), campaign_name \(text),
      from_address \(text), to_address \(text),
      contact_id \(text),
      disposition \(text),
      media_type \(text),
      metadata \(text) NOT NULL,
      first_seen_at \(integer) NOT NULL,
      available_at \(integer),
      archived_at \(integer),
      audio_ms \(integer),
      warning \(text),
      tombstoned_at \(integer),
      -- When the platform last listed it, and whether the sync filter of the source includes it.
      listed_at \(integer),
      wanted \(integer) NOT NULL DEFAULT 0,
      -- Decides its day in coverage: the start of the call, or a moment of the day whose list has it if the platform
      -- reports no start.
      counted_at \(integer),
      -- When its files were last compared with their hashes.
      verified_at \(integer),
      -- What is wrong with its files, as JSON (`DamageNote`); null while nothing is known to be wrong.
      damage \(text),
      -- The time that lists are sorted by: the start of the call, or when it was first seen if the start is not known.
      called_at \(integer) GENERATED ALWAYS AS (coalesce(started_at, first_seen_at)) STORED,
      -- The status that lists show. It depends on the job, and is stored so that an index can filter by it.
      listed_status \(text) NOT NULL DEFAULT 'known',
      -- Search words from `SearchWords`, separated by spaces; words that occur only in the addresses are separate.
      words \(text) NOT NULL,
      address_words \(text) NOT NULL,
      UNIQUE (platform_id, source)
    )
    """,
    "CREATE INDEX recording_by_start ON recording (called_at, id)",
    "CREATE INDEX recording_by_agent ON recording (agent_id, called_at, id)",
    "CREATE INDEX recording_by_agent_name ON recording (agent_name, called_at, id)",
    "CREATE INDEX recording_by_status ON recording (privacy, listed_status, called_at, id)",
    "CREATE INDEX recording_by_coverage ON recording (source, counted_at, id) WHERE wanted = 1",
    // A recording that was never verified counts from when it was archived.
    """
    CREATE INDEX recording_by_verification ON recording (coalesce(verified_at, archived_at), id)
    WHERE archived_at IS NOT NULL
    """,
    "CREATE INDEX recording_by_damage ON recording (id) WHERE damage IS NOT NULL",

    // Recordings that the platform has listed as restricted, and that are not stored: no filter includes them, or they
    // were only shown.
    """
    CREATE TABLE restricted_listing (
      platform_id \(text) NOT NULL,
      source \(text) NOT NULL,
      PRIMARY KEY (platform_id, source)
    )
    """,

    // Recordings of calls whose addresses the platform has erased, and what a person decided. Rows are never removed, so
    // that a recording has one notice.
    """
    CREATE TABLE notice (
      id \(dialect.identity),
      recording_id \(integer) NOT NULL UNIQUE REFERENCES recording (id),
      opened_at \(integer) NOT NULL,
      closed_at \(integer),
      closed_by \(text),
      decision \(text)
    )
    """,
    "CREATE INDEX notice_by_state ON notice (id) WHERE closed_at IS NULL",

    // The objects of the store and the content of each. A row exists before its object is written.
    """
    CREATE TABLE object (
      name \(text) PRIMARY KEY,
      kind \(text) NOT NULL,
      -- Of the plain bytes, in hexadecimal.
      sha256 \(text) NOT NULL,
      bytes \(integer) NOT NULL,
      -- When an ingest last asked for the name of this content.
      reserved_at \(integer) NOT NULL,
      UNIQUE (kind, sha256)
    )
    """,

    // The files of a recording, part by part. Hashes are SHA-256 in hexadecimal; they stay when an object is removed.
    """
    CREATE TABLE media_part (
      recording_id \(integer) NOT NULL REFERENCES recording (id),
      part \(integer) NOT NULL,
      source_sha256 \(text) NOT NULL,
      source_bytes \(integer) NOT NULL,
      original_object \(text) REFERENCES object (name),
      codec \(text) NOT NULL,
      channels \(integer) NOT NULL,
      sample_rate \(integer) NOT NULL,
      audio_ms \(integer) NOT NULL,
      mp3_object \(text) NOT NULL REFERENCES object (name),
      mp3_sha256 \(text) NOT NULL,
      mp3_bytes \(integer) NOT NULL,
      peaks_object \(text) NOT NULL REFERENCES object (name),
      peaks_sha256 \(text) NOT NULL,
      peaks_bytes \(integer) NOT NULL,
      PRIMARY KEY (recording_id, part)
    )
    """,
    "CREATE INDEX media_part_by_original ON media_part (original_object)",
    "CREATE INDEX media_part_by_mp3 ON media_part (mp3_object)",
    "CREATE INDEX media_part_by_peaks ON media_part (peaks_object)",

    // Objects that no recording refers to any more, and when they are to be removed.
    """
    CREATE TABLE object_removal (
      name \(text) PRIMARY KEY,
      sha256 \(text) NOT NULL,
      bytes \(integer) NOT NULL,
      -- The recording that referred to it last.
      recording_id \(integer) NOT NULL REFERENCES recording (id),
      due_at \(integer) NOT NULL,
      -- Set in the transaction that deletes the object's row; the file is deleted afterwards.
      started_at \(integer)
    )
    """,
    "CREATE INDEX object_removal_by_due ON object_removal (due_at, name)",
  ]
}
