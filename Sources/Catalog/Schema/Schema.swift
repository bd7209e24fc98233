/// The whole schema. Tables are singular, names snake_case; `…_at` are UTC milliseconds, `…_ms` milliseconds, flags 0 or 1.
///
/// Until the first release this is edited in place; afterwards it is frozen, and each change is a migration of its own.
func firstSchema(_ dialect: Dialect) -> [SQL] {
  dialect.clock + recordingTables(dialect) + TextSearch.schema(dialect) + jobTables(dialect) + webhookTables(dialect)
    + coverageTables(dialect) + nodeTables(dialect) + accessTables(dialect)
}

/// Recordings and their files.
private func recordingTables(_ dialect: Dialect) -> [SQL] {
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
      -- Decides its day in coverage: the start of the call, or of the listed period if the platform reports no start.
      counted_at \(integer),
      -- When its files were last compared with their hashes.
      verified_at \(integer),
      -- What is wrong with its files, as a sentence; null while nothing is known to be wrong.
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

/// The work on recordings.
private func jobTables(_ dialect: Dialect) -> [SQL] {
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
      failure_code \(text),
      failure_message \(text),
      retry_after_ms \(integer),
      ended_at \(integer),
      -- The back-fill that created the job.
      backfill \(text),
      -- The lane in which the job can be claimed once it is due. A column, since with the conditions themselves in the
      -- query SQLite sorts the queue.
      lane \(text) GENERATED ALWAYS AS (
        CASE WHEN run_state IN ('idle', 'waiting') AND due_at IS NOT NULL THEN
          CASE WHEN stage IN ('queued', 'awaiting') THEN 'polling' WHEN stage IN ('fetching', 'processing') THEN 'moving' END
        END
      ) STORED,
      UNIQUE (kind, source, platform_id)
    )
    """,
    "CREATE INDEX job_by_turn ON job (lane, priority, due_at, id) WHERE lane IS NOT NULL",
    "CREATE INDEX job_by_requester ON job (lane, priority, requested_by, due_at, id) WHERE lane IS NOT NULL",
    "CREATE INDEX job_by_state ON job (run_state, stage)",
    "CREATE INDEX job_by_state_and_number ON job (run_state, id)",
    "CREATE INDEX job_by_backfill ON job (backfill, run_state, ended_at) WHERE backfill IS NOT NULL",
    // The download of each part of a job's recording. `download` is what the platform's client needs to resume, as JSON.
    """
    CREATE TABLE job_part (
      job_id \(integer) NOT NULL REFERENCES job (id) ON DELETE CASCADE,
      part \(integer) NOT NULL,
      download \(text),
      bytes \(integer) NOT NULL DEFAULT 0,
      total_bytes \(integer),
      -- Of all bytes; null until the download is complete.
      sha256 \(text),
      PRIMARY KEY (job_id, part)
    )
    """,
    "CREATE INDEX job_part_by_content ON job_part (sha256) WHERE sha256 IS NOT NULL",
    """
    CREATE TABLE job_step (
      job_id \(integer) NOT NULL REFERENCES job (id) ON DELETE CASCADE,
      step \(text) NOT NULL,
      started_at \(integer) NOT NULL,
      duration_us \(integer) NOT NULL,
      PRIMARY KEY (job_id, step)
    )
    """,

    // Files that failed the integrity check, and what was decided about them. `spool` identifies the node's folders.
    """
    CREATE TABLE quarantine (
      id \(dialect.identity),
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      quarantined_at \(integer) NOT NULL,
      code \(text) NOT NULL,
      reason \(text) NOT NULL,
      sha256 \(text) NOT NULL,
      bytes \(integer) NOT NULL,
      platform_duration_s \(integer),
      spool \(text) NOT NULL,
      file \(text) NOT NULL,
      state \(text) NOT NULL,
      decided_at \(integer),
      decided_by \(text),
      decision \(text)
    )
    """,
    "CREATE INDEX quarantine_by_recording ON quarantine (source, platform_id, sha256)",
    "CREATE INDEX quarantine_by_state ON quarantine (state, id)",
  ]
}

/// The outbox: webhook messages, committed in the same transaction as the change that they report.
private func webhookTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
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

/// Back-fills and coverage.
private func coverageTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // A period whose calls are fetched in steps.
    """
    CREATE TABLE backfill (
      id \(text) PRIMARY KEY,
      source \(text) NOT NULL,
      from_at \(integer) NOT NULL,
      to_at \(integer) NOT NULL,
      direction \(text),
      reached_at \(integer) NOT NULL,
      is_listed \(integer) NOT NULL DEFAULT 0,
      state \(text) NOT NULL,
      found \(integer) NOT NULL DEFAULT 0,
      queued \(integer) NOT NULL DEFAULT 0,
      created_at \(integer) NOT NULL,
      created_by \(text) NOT NULL,
      ended_at \(integer),
      failure_code \(text),
      failure \(text)
    )
    """,
    "CREATE INDEX backfill_by_state ON backfill (source, state, created_at)",

    // The last check of each day: how many recordings the platform listed, and how many of them the sync filter includes.
    """
    CREATE TABLE coverage_day (
      source \(text) NOT NULL,
      day \(text) NOT NULL,
      from_at \(integer) NOT NULL,
      to_at \(integer) NOT NULL,
      filter \(text) NOT NULL,
      reported \(integer) NOT NULL,
      expected \(integer) NOT NULL,
      unidentified \(integer) NOT NULL,
      checked_at \(integer) NOT NULL,
      PRIMARY KEY (source, day)
    )
    """,
    """
    CREATE TABLE unidentified_row (
      source \(text) NOT NULL,
      day \(text) NOT NULL,
      position \(integer) NOT NULL,
      reason \(text) NOT NULL,
      PRIMARY KEY (source, day, position)
    )
    """,
  ]
}

/// State that all nodes share: recurring tasks, request budgets, and fingerprints of settings.
private func nodeTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // Recurring tasks: one node at a time runs each of them for a source; see docs/states.md.
    """
    CREATE TABLE recurring_task (
      name \(text) NOT NULL,
      source \(text) NOT NULL,
      due_at \(integer),
      lease_until \(integer),
      fence \(integer) NOT NULL DEFAULT 0,
      state \(text) NOT NULL DEFAULT '{}',
      failures \(integer) NOT NULL DEFAULT 0,
      last_started_at \(integer),
      last_ended_at \(integer),
      last_success_at \(integer),
      last_error_code \(text),
      last_error \(text),
      PRIMARY KEY (name, source)
    )
    """,

    // The request budget of each source, one row that all nodes update in turn. `state` is the JSON of
    // `RequestAllowance`; if it is lost, the nodes learn it again.
    """
    CREATE TABLE request_budget (
      source \(text) PRIMARY KEY,
      state \(text) NOT NULL,
      changed_at \(integer) NOT NULL
    )
    """,

    // Fingerprints of settings that must be the same on all nodes, such as the store.
    """
    CREATE TABLE shared_secret (
      name \(text) PRIMARY KEY,
      fingerprint \(text) NOT NULL,
      agreed_at \(integer) NOT NULL
    )
    """,
  ]
}

/// Accounts and the access log.
private func accessTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // Accounts, API tokens and sessions. Only hashes of secrets are stored.
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
    CREATE TABLE preference (
      actor_id \(text) PRIMARY KEY,
      value \(text) NOT NULL
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
    "CREATE INDEX session_by_account ON session (account_id)",

    // The access log. `canonical` never changes; a row of `log_detail` may be erased, its salted hash stays in `canonical`.
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
  ]
}
