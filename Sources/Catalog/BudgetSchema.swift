/// How much may be asked of each source: one row that all nodes change, one after the other.
///
/// `state` is the JSON of `RequestAllowance`. It holds nothing that cannot be learnt again.
let budgetSchema: [SQL] = [
  """
  CREATE TABLE request_budget (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    changed_at BIGINT NOT NULL
  )
  """
]
