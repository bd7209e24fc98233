/// What nodes that share a database must agree on.
let nodeSchema: [SQL] = [
  """
  CREATE TABLE shared_secret (
    name TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    agreed_at BIGINT NOT NULL
  )
  """
]
