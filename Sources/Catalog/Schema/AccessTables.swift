/// Accounts and the access log.
func accessTables(_ dialect: Dialect) -> [SQL] {
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
      disabled_at \(integer),
      last_used_at \(integer)
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
      expires_at \(integer) NOT NULL,
      -- The time zone that the browser reported last.
      browser_zone \(text)
    )
    """,
    "CREATE INDEX session_by_account ON session (account_id)",

    // The access log. `canonical` never changes; a row of `log_detail` may be erased, its salted hash stays in
    // `canonical`.
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
