/// Singular tables, snake_case; `…_at` are UTC milliseconds, `…_ms` milliseconds, flags 0 or 1.
let firstSchema: [SQL] = [
  // What the platform says about a call, and what the archive holds of it.
  """
  CREATE TABLE recording (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    platform_id TEXT NOT NULL,
    platform_status TEXT NOT NULL,
    privacy TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    duration_s INTEGER,
    direction TEXT,
    agent_id TEXT, agent_name TEXT,
    team_id TEXT,
    skill_id TEXT, skill_name TEXT,
    campaign_id TEXT, campaign_name TEXT,
    from_address TEXT, to_address TEXT,
    contact_id TEXT,
    disposition TEXT,
    media_type TEXT,
    metadata TEXT NOT NULL,
    first_seen_at INTEGER NOT NULL,
    available_at INTEGER,
    archived_at INTEGER,
    audio_ms INTEGER,
    warning TEXT,
    retain_until INTEGER,
    hold INTEGER NOT NULL DEFAULT 0,
    tombstoned_at INTEGER,
    UNIQUE (platform_id, source)
  )
  """,
  "CREATE INDEX recording_by_start ON recording (coalesce(started_at, first_seen_at), id)",
  "CREATE INDEX recording_by_agent ON recording (agent_id, coalesce(started_at, first_seen_at), id)",
  "CREATE INDEX recording_by_agent_name ON recording (agent_name)",

  // Whole words and prefixes over what people type.
  """
  CREATE VIRTUAL TABLE recording_text USING fts5 (
    platform_id, agent_name, agent_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition,
    content='recording', content_rowid='id', tokenize='unicode61'
  )
  """,
  """
  CREATE TRIGGER recording_text_insert AFTER INSERT ON recording BEGIN
    INSERT INTO recording_text (rowid, platform_id, agent_name, agent_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition)
    VALUES (new.id, new.platform_id, new.agent_name, new.agent_id, new.skill_name, new.campaign_name, new.from_address, new.to_address, new.contact_id, new.disposition);
  END
  """,
  """
  CREATE TRIGGER recording_text_update AFTER UPDATE OF agent_name, agent_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition ON recording BEGIN
    INSERT INTO recording_text (recording_text, rowid, platform_id, agent_name, agent_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition)
    VALUES ('delete', old.id, old.platform_id, old.agent_name, old.agent_id, old.skill_name, old.campaign_name, old.from_address, old.to_address, old.contact_id, old.disposition);
    INSERT INTO recording_text (rowid, platform_id, agent_name, agent_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition)
    VALUES (new.id, new.platform_id, new.agent_name, new.agent_id, new.skill_name, new.campaign_name, new.from_address, new.to_address, new.contact_id, new.disposition);
  END
  """,

  // The files of a recording, part by part. A key names an object of the store; hashes are SHA-256 in hexadecimal.
  """
  CREATE TABLE media_part (
    recording_id INTEGER NOT NULL REFERENCES recording (id),
    part INTEGER NOT NULL,
    source_sha256 TEXT NOT NULL,
    source_bytes INTEGER NOT NULL,
    original_key TEXT,
    codec TEXT NOT NULL,
    channels INTEGER NOT NULL,
    sample_rate INTEGER NOT NULL,
    audio_ms INTEGER NOT NULL,
    mp3_key TEXT NOT NULL,
    mp3_sha256 TEXT NOT NULL,
    mp3_bytes INTEGER NOT NULL,
    peaks_key TEXT NOT NULL,
    peaks_sha256 TEXT NOT NULL,
    peaks_bytes INTEGER NOT NULL,
    PRIMARY KEY (recording_id, part)
  )
  """,
  "CREATE INDEX media_part_by_original ON media_part (original_key)",
  "CREATE INDEX media_part_by_mp3 ON media_part (mp3_key)",
  "CREATE INDEX media_part_by_peaks ON media_part (peaks_key)",

  // The work on a recording: one row per kind and key, see docs/states.md.
  """
  CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    platform_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    run_state TEXT NOT NULL,
    clearance TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    requested_by TEXT,
    due_at INTEGER,
    sort_at INTEGER NOT NULL,
    polls INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    resumes INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    download TEXT,
    bytes INTEGER NOT NULL DEFAULT 0,
    total_bytes INTEGER,
    failure_code TEXT,
    failure_message TEXT,
    retry_after_ms INTEGER,
    ended_at INTEGER,
    -- Where the job can be claimed now or at its time. A column, since with the bare conditions SQLite sorts the queue.
    lane TEXT GENERATED ALWAYS AS (
      CASE WHEN run_state IN ('idle', 'waiting') AND due_at IS NOT NULL THEN
        CASE WHEN stage IN ('queued', 'awaiting') THEN 'polling' WHEN stage IN ('fetching', 'processing') THEN 'moving' END
      END
    ) STORED,
    UNIQUE (kind, source, platform_id)
  )
  """,
  "CREATE INDEX job_by_turn ON job (lane, sort_at, id) WHERE lane IS NOT NULL",
  "CREATE INDEX job_by_state ON job (run_state, stage)",
  """
  CREATE TABLE job_step (
    job_id INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    PRIMARY KEY (job_id, step)
  )
  """,

  // Messages to other systems, committed together with what they tell.
  """
  CREATE TABLE webhook_message (
    id TEXT PRIMARY KEY,
    recording_id INTEGER REFERENCES recording (id),
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER,
    last_error TEXT,
    ended_at INTEGER
  )
  """,
  "CREATE INDEX webhook_message_by_state ON webhook_message (state, due_at, id)",

  // Who may come in. Secrets are kept as hashes only.
  """
  CREATE TABLE account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    agent_id TEXT,
    team TEXT,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
  )
  """,
  """
  CREATE TABLE api_token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    agent_id TEXT,
    team TEXT,
    secret_sha256 BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
  )
  """,
  "CREATE UNIQUE INDEX api_token_by_name ON api_token (name) WHERE revoked_at IS NULL",
  """
  CREATE TABLE session (
    secret_sha256 BLOB PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES account (id),
    csrf TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  )
  """,

  // The access log. `canonical` is what a proof will be about; `log_detail` may be erased, its salted hash stays.
  """
  CREATE TABLE log_entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    actor_id TEXT,
    source TEXT,
    platform_id TEXT,
    canonical BLOB NOT NULL
  )
  """,
  "CREATE INDEX log_entry_by_time ON log_entry (at, id)",
  "CREATE INDEX log_entry_by_actor ON log_entry (actor_id, id)",
  "CREATE INDEX log_entry_by_recording ON log_entry (source, platform_id, id)",
  """
  CREATE TABLE log_detail (
    entry_id INTEGER PRIMARY KEY REFERENCES log_entry (id),
    salt BLOB NOT NULL,
    detail TEXT NOT NULL
  )
  """,
  """
  CREATE TABLE listening_session (
    id INTEGER PRIMARY KEY,
    entry_id INTEGER NOT NULL REFERENCES log_entry (id),
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    bytes INTEGER NOT NULL
  )
  """,
]
