/// Recurring duties, back-fills, and what a day of a source must hold.
let syncSchema: [SQL] = [
  // What is done again and again, for each source by one node at a time; see docs/states.md.
  """
  CREATE TABLE duty (
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    due_at BIGINT,
    lease_until BIGINT,
    fence BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT '{}',
    failures BIGINT NOT NULL DEFAULT 0,
    last_started_at BIGINT,
    last_ended_at BIGINT,
    last_success_at BIGINT,
    last_error_code TEXT,
    last_error TEXT,
    PRIMARY KEY (name, source)
  )
  """,

  // A span of time whose calls are fetched bit by bit.
  """
  CREATE TABLE backfill (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    direction TEXT,
    reached_at BIGINT NOT NULL,
    is_listed BIGINT NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    found BIGINT NOT NULL DEFAULT 0,
    queued BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    ended_at BIGINT,
    failure_code TEXT,
    failure TEXT
  )
  """,
  "CREATE INDEX backfill_by_state ON backfill (source, state, created_at)",
  "ALTER TABLE job ADD COLUMN backfill TEXT",
  "CREATE INDEX job_by_backfill ON job (backfill, run_state, ended_at) WHERE backfill IS NOT NULL",

  // When the platform last listed a recording, whether it is one that the source's filter wants, and the moment by
  // which it counts to a day: its start, or the start of the span that it was listed in where the platform does not
  // tell one.
  "ALTER TABLE recording ADD COLUMN listed_at BIGINT",
  "ALTER TABLE recording ADD COLUMN wanted BIGINT NOT NULL DEFAULT 0",
  "ALTER TABLE recording ADD COLUMN counted_at BIGINT",
  "CREATE INDEX recording_by_coverage ON recording (source, counted_at, id) WHERE wanted = 1",

  // What the platform listed for a day when it was last asked about all of it.
  """
  CREATE TABLE coverage_day (
    source TEXT NOT NULL,
    day TEXT NOT NULL,
    from_at BIGINT NOT NULL,
    to_at BIGINT NOT NULL,
    reported BIGINT NOT NULL,
    expected BIGINT NOT NULL,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (source, day)
  )
  """,
]
