/// Who goes first among jobs that are due, and lists of jobs.
let queueSchema: [SQL] = [
  "ALTER TABLE job ADD COLUMN priority BIGINT NOT NULL DEFAULT 0",
  "CREATE INDEX job_by_state_and_number ON job (run_state, id)",
]
