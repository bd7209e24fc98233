/// Recurring duties, back-fills, and what a day of a source must hold.
func syncSchema(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // What is done again and again, for each source by one node at a time; see docs/states.md.
    """
    CREATE TABLE duty (
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

    // A span of time whose calls are fetched bit by bit.
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
    "ALTER TABLE job ADD COLUMN backfill \(text)",
    "CREATE INDEX job_by_backfill ON job (backfill, run_state, ended_at) WHERE backfill IS NOT NULL",

    // When the platform last listed a recording, whether it is one that the source's filter wants, and the moment by
    // which it counts to a day: its start, or the start of the span that it was listed in where the platform does not
    // tell one.
    "ALTER TABLE recording ADD COLUMN listed_at \(integer)",
    "ALTER TABLE recording ADD COLUMN wanted \(integer) NOT NULL DEFAULT 0",
    "ALTER TABLE recording ADD COLUMN counted_at \(integer)",
    "CREATE INDEX recording_by_coverage ON recording (source, counted_at, id) WHERE wanted = 1",

    // What the platform listed for a day when it was last asked about all of it, and which of it was wanted then.
    """
    CREATE TABLE coverage_day (
      source \(text) NOT NULL,
      day \(text) NOT NULL,
      from_at \(integer) NOT NULL,
      to_at \(integer) NOT NULL,
      filter \(text) NOT NULL,
      reported \(integer) NOT NULL,
      expected \(integer) NOT NULL,
      checked_at \(integer) NOT NULL,
      PRIMARY KEY (source, day)
    )
    """,
  ]
}
