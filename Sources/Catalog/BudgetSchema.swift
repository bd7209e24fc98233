/// How much may be asked of each source: one row that all nodes change, one after the other.
///
/// `state` is the JSON of `RequestAllowance`. It holds nothing that cannot be learnt again.
func budgetSchema(_ dialect: Dialect) -> [SQL] {
  let (integer, text) = (dialect.integer, dialect.text)
  return [
    """
    CREATE TABLE request_budget (
      source \(text) PRIMARY KEY,
      state \(text) NOT NULL,
      changed_at \(integer) NOT NULL
    )
    """
  ]
}
