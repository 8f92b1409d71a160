"""The SQL of the tenant walls, said once for the schema editor, the gate and the tests.

The tenant policy is bare on purpose: wrapped in `(select …)` the planner guesses one row count for all
tenants (140 ms instead of 2), and an OR or a subquery in it costs hundreds of milliseconds.
"""

SETTING = "dataxpipe.organization_id"
POLICY = "organization"

BOUND_ORGANIZATION = f"nullif(current_setting('{SETTING}', true), '')::bigint"


def tenant_condition(column: str = "organization_id") -> str:
    """Rows of the bound organization; none without a binding."""
    return f"{column} = {BOUND_ORGANIZATION}"


def control_condition(column: str = "organization_id") -> str:
    """Outside any scope every row can be looked up, inside one only the organization's own."""
    return f"{BOUND_ORGANIZATION} IS NULL OR {column} = {BOUND_ORGANIZATION}"


def raise_wall(table: str, condition: str) -> list[str]:
    """Statements that put row-level security on a table, for its owner too. `table` is already quoted."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS {POLICY} ON {table}",
        f"CREATE POLICY {POLICY} ON {table} USING ({condition}) WITH CHECK ({condition})",
    ]
