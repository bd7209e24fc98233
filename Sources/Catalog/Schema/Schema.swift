/// The whole schema. Tables are singular, names snake_case; `…_at` are UTC milliseconds, `…_ms` milliseconds, flags 0
/// or 1.
///
/// Until the first release this is edited in place; afterwards it is frozen, and each change is a migration of its own.
func firstSchema(_ dialect: Dialect) -> [SQL] {
  dialect.clock + recordingTables(dialect) + AgentNames.schema(dialect) + TextSearch.schema(dialect)
    + jobTables(dialect) + webhookTables(dialect) + coverageTables(dialect) + nodeTables(dialect)
    + accessTables(dialect)
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

/// Backfills and coverage.
private func coverageTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // A period whose calls are downloaded in steps.
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
      unidentified \(text) NOT NULL DEFAULT '{}',
      -- The rows without a start time that are counted and may be listed again from `reached_at` on, as a JSON array.
      counted_rows \(text) NOT NULL DEFAULT '[]',
      -- The start of a day that was not listed in one go, so that it must be listed again from there to its end.
      relist_from \(integer),
      created_at \(integer) NOT NULL,
      created_by \(text) NOT NULL,
      ended_at \(integer),
      failure_code \(text),
      failure \(text)
    )
    """,
    "CREATE INDEX backfill_by_state ON backfill (source, state, created_at)",

    // The last check of each day: how many recordings the platform listed, and how many of them the sync filter
    // includes.
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
    // Calls at the edge of a day that the sync filter excludes; the figures of one day include each of them.
    """
    CREATE TABLE edge_call (
      source \(text) NOT NULL,
      platform_id \(text) NOT NULL,
      day \(text) NOT NULL,
      PRIMARY KEY (source, platform_id)
    )
    """,
  ]
}

/// State that all nodes share: recurring tasks, request budgets, and fingerprints of settings.
private func nodeTables(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    // Recurring tasks: one node at a time runs each of them for a source; see docs/states.md. `unidentified` is the
    // JSON of `UnidentifiedRows`, here and in `backfill`.
    """
    CREATE TABLE recurring_task (
      name \(text) NOT NULL,
      source \(text) NOT NULL,
      due_at \(integer),
      lease_until \(integer),
      fence \(integer) NOT NULL DEFAULT 0,
      state \(text) NOT NULL DEFAULT '{}',
      unidentified \(text) NOT NULL DEFAULT '{}',
      failures \(integer) NOT NULL DEFAULT 0,
      last_started_at \(integer),
      last_ended_at \(integer),
      last_success_at \(integer),
      last_error_code \(text),
      last_error \(text),
      PRIMARY KEY (name, source)
    )
    """,

    // The request budget of each bucket of a source, one row that all nodes update in turn. `state` is the JSON of
    // `RequestAllowance`; if it is lost, the nodes learn it again.
    """
    CREATE TABLE request_budget (
      source \(text) NOT NULL,
      bucket \(text) NOT NULL,
      state \(text) NOT NULL,
      changed_at \(integer) NOT NULL,
      PRIMARY KEY (source, bucket)
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
