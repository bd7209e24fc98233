import Model

/// The work on recordings.
func jobTables(_ dialect: Dialect) -> [SQL] {
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
      -- The media that the platform named when it was last asked, as JSON (`PlannedMedia`); null for one file about
      -- which nothing is known.
      media \(text),
      -- The backfill that created the job.
      backfill \(text),
      -- The queue in which the job can be claimed once it is due. A column, since with the conditions themselves in the
      -- query SQLite sorts the queue.
      queue \(text) GENERATED ALWAYS AS (
        CASE WHEN run_state IN \(literals: [RunState.idle, .waiting]) AND due_at IS NOT NULL THEN
          CASE WHEN stage IN \(literals: [Stage.queued, .awaiting]) THEN \(literal: JobQueue.polling)
            WHEN stage IN \(literals: [Stage.fetching, .processing]) THEN \(literal: JobQueue.transfer) END
        END
      ) STORED,
      UNIQUE (kind, source, platform_id)
    )
    """,
    "CREATE INDEX job_by_turn ON job (queue, priority, due_at, id) WHERE queue IS NOT NULL",
    "CREATE INDEX job_by_requester ON job (queue, priority, requested_by, due_at, id) WHERE queue IS NOT NULL",
    "CREATE INDEX job_by_state ON job (run_state, stage)",
    "CREATE INDEX job_by_state_and_number ON job (run_state, id)",
    "CREATE INDEX job_by_backfill ON job (backfill, run_state, ended_at) WHERE backfill IS NOT NULL",
    // The download of each part of a job's recording. `download` is what the platform's client needs to resume, as
    // JSON.
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

    // Files that were refused, and what was decided about them. `spool` identifies the node's folders.
    """
    CREATE TABLE quarantine (
      id \(dialect.identity),
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      part \(integer) NOT NULL DEFAULT 0,
      quarantined_at \(integer) NOT NULL,
      code \(text) NOT NULL,
      reason \(text) NOT NULL,
      sha256 \(text) NOT NULL,
      bytes \(integer) NOT NULL,
      platform_duration_s \(integer),
      spool \(text) NOT NULL,
      node \(text) NOT NULL,
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
