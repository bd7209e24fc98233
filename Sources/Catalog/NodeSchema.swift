/// What nodes that share a database must agree on.
func nodeSchema(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    """
    CREATE TABLE shared_secret (
      name \(text) PRIMARY KEY,
      fingerprint \(text) NOT NULL,
      agreed_at \(integer) NOT NULL
    )
    """
  ]
}
