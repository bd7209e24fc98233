/// Singular tables, snake_case; `…_at` are UTC milliseconds, `…_ms` milliseconds, flags 0 or 1.
func firstSchema(_ dialect: Dialect) -> [SQL] {
  dialect.clock + recordingTables(dialect) + TextSearch.schema(dialect) + workTables(dialect) + accessTables(dialect)
}

/// Recordings and their files.
private func recordingTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // What the platform says about a call, and what the archive holds of it.
    """
    CREATE TABLE recording (
      id \(dialect.identity),
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      platform_status \(text) NOT NULL,
      privacy \(text) NOT NULL,
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
      retain_until \(integer),
      hold \(integer) NOT NULL DEFAULT 0,
      tombstoned_at \(integer),
      -- What lists are sorted by: the start of the call, or where it is not known, when we first saw it.
      called_at \(integer) GENERATED ALWAYS AS (coalesce(started_at, first_seen_at)) STORED,
      -- How far it is, in the words of lists: kept in step with the job, so that an index can narrow lists to it.
      listed_status \(text) NOT NULL DEFAULT 'known',
      -- The words it is found by, from `SearchWords`, with a space between them; those of its addresses apart.
      words \(text) NOT NULL,
      address_words \(text) NOT NULL,
      UNIQUE (platform_id, source)
    )
    """,
    "CREATE INDEX recording_by_start ON recording (called_at, id)",
    "CREATE INDEX recording_by_agent ON recording (agent_id, called_at, id)",
    "CREATE INDEX recording_by_agent_name ON recording (agent_name, called_at, id)",
    "CREATE INDEX recording_by_status ON recording (privacy, listed_status, called_at, id)",

    // The files of a recording, part by part. A key names an object of the store; hashes are SHA-256 in hexadecimal.
    """
    CREATE TABLE media_part (
      recording_id \(integer) NOT NULL REFERENCES recording (id),
      part \(integer) NOT NULL,
      source_sha256 \(text) NOT NULL,
      source_bytes \(integer) NOT NULL,
      original_key \(text),
      codec \(text) NOT NULL,
      channels \(integer) NOT NULL,
      sample_rate \(integer) NOT NULL,
      audio_ms \(integer) NOT NULL,
      mp3_key \(text) NOT NULL,
      mp3_sha256 \(text) NOT NULL,
      mp3_bytes \(integer) NOT NULL,
      peaks_key \(text) NOT NULL,
      peaks_sha256 \(text) NOT NULL,
      peaks_bytes \(integer) NOT NULL,
      PRIMARY KEY (recording_id, part)
    )
    """,
    "CREATE INDEX media_part_by_original ON media_part (original_key)",
    "CREATE INDEX media_part_by_mp3 ON media_part (mp3_key)",
    "CREATE INDEX media_part_by_peaks ON media_part (peaks_key)",
  ]
}

/// Jobs and the outbox.
private func workTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // The work on a recording: one row per kind and key, see docs/states.md.
    """
    CREATE TABLE job (
      id \(dialect.identity),
      kind \(text) NOT NULL,
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      stage \(text) NOT NULL,
      run_state \(text) NOT NULL,
      clearance \(text) NOT NULL,
      requested_at \(integer) NOT NULL,
      requested_by \(text),
      due_at \(integer),
      priority \(integer) NOT NULL DEFAULT 0,
      polls \(integer) NOT NULL DEFAULT 0,
      attempts \(integer) NOT NULL DEFAULT 0,
      worker_deaths \(integer) NOT NULL DEFAULT 0,
      resumes \(integer) NOT NULL DEFAULT 0,
      refusals \(integer) NOT NULL DEFAULT 0,
      lease_until \(integer),
      fence \(integer) NOT NULL DEFAULT 0,
      download \(text),
      bytes \(integer) NOT NULL DEFAULT 0,
      total_bytes \(integer),
      failure_code \(text),
      failure_message \(text),
      retry_after_ms \(integer),
      ended_at \(integer),
      -- Where the job can be claimed now or at its time. A column, since with the bare conditions SQLite sorts the queue.
      lane \(text) GENERATED ALWAYS AS (
        CASE WHEN run_state IN ('idle', 'waiting') AND due_at IS NOT NULL THEN
          CASE WHEN stage IN ('queued', 'awaiting') THEN 'polling' WHEN stage IN ('fetching', 'processing') THEN 'moving' END
        END
      ) STORED,
      UNIQUE (kind, source, platform_id)
    )
    """,
    "CREATE INDEX job_by_turn ON job (lane, priority, due_at, id) WHERE lane IS NOT NULL",
    "CREATE INDEX job_by_state ON job (run_state, stage)",
    "CREATE INDEX job_by_state_and_number ON job (run_state, id)",
    """
    CREATE TABLE job_step (
      job_id \(integer) NOT NULL REFERENCES job (id) ON DELETE CASCADE,
      step \(text) NOT NULL,
      started_at \(integer) NOT NULL,
      duration_us \(integer) NOT NULL,
      PRIMARY KEY (job_id, step)
    )
    """,

    // Messages to other systems, committed together with what they tell.
    """
    CREATE TABLE webhook_message (
      id \(text) PRIMARY KEY,
      recording_id \(integer) REFERENCES recording (id),
      body \(text) NOT NULL,
      created_at \(integer) NOT NULL,
      state \(text) NOT NULL,
      due_at \(integer) NOT NULL,
      attempts \(integer) NOT NULL DEFAULT 0,
      last_status \(integer),
      last_error \(text),
      ended_at \(integer)
    )
    """,
    "CREATE INDEX webhook_message_by_state ON webhook_message (state, due_at, id)",
  ]
}

/// Accounts and the access log.
private func accessTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // Who may come in. Secrets are kept as hashes only.
    """
    CREATE TABLE account (
      id \(text) PRIMARY KEY,
      name \(text) NOT NULL UNIQUE,
      role \(text) NOT NULL,
      agent_id \(text),
      team \(text),
      password_hash \(text) NOT NULL,
      created_at \(integer) NOT NULL,
      disabled_at \(integer)
    )
    """,
    """
    CREATE TABLE api_token (
      id \(text) PRIMARY KEY,
      name \(text) NOT NULL,
      role \(text) NOT NULL,
      agent_id \(text),
      team \(text),
      secret_sha256 \(dialect.blob) NOT NULL UNIQUE,
      created_at \(integer) NOT NULL,
      last_used_at \(integer),
      revoked_at \(integer)
    )
    """,
    "CREATE UNIQUE INDEX api_token_by_name ON api_token (name) WHERE revoked_at IS NULL",
    """
    CREATE TABLE session (
      secret_sha256 \(dialect.blob) PRIMARY KEY,
      account_id \(text) NOT NULL REFERENCES account (id),
      csrf \(text) NOT NULL,
      created_at \(integer) NOT NULL,
      last_seen_at \(integer) NOT NULL,
      expires_at \(integer) NOT NULL
    )
    """,

    // The access log. `canonical` is what a proof will be about; `log_detail` may be erased, its salted hash stays.
    """
    CREATE TABLE log_entry (
      id \(dialect.lastingIdentity),
      at \(integer) NOT NULL,
      action \(text) NOT NULL,
      outcome \(text) NOT NULL,
      actor_id \(text),
      source \(text),
      platform_id \(text),
      canonical \(dialect.blob) NOT NULL
    )
    """,
    "CREATE INDEX log_entry_by_time ON log_entry (at, id)",
    "CREATE INDEX log_entry_by_actor ON log_entry (actor_id, id)",
    "CREATE INDEX log_entry_by_recording ON log_entry (source, platform_id, id)",
    """
    CREATE TABLE log_detail (
      entry_id \(integer) PRIMARY KEY REFERENCES log_entry (id),
      salt \(dialect.blob) NOT NULL,
      detail \(text) NOT NULL
    )
    """,
    """
    CREATE TABLE listening_session (
      id \(dialect.identity),
      entry_id \(integer) NOT NULL REFERENCES log_entry (id),
      started_at \(integer) NOT NULL,
      last_at \(integer) NOT NULL,
      requests \(integer) NOT NULL,
      bytes \(integer) NOT NULL
    )
    """,
  ]
}
