"""Reads pg_catalog and says where a wall is missing. `/readyz` and the tests ask it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dataxpipe.postgres.walls import POLICY, control_condition, tenant_condition

_TABLES = """
    SELECT c.oid::bigint, c.relname, c.relrowsecurity, c.relforcerowsecurity,
           EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'
                   AND NOT a.attisdropped),
           has_table_privilege(current_user, c.oid, 'TRUNCATE'),
           pg_has_role(current_user, c.relowner, 'member')
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
    ORDER BY c.relname
"""
_POLICIES = """
    SELECT polrelid::bigint, polname, polcmd, polpermissive, polroles = '{0}',
           pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
    FROM pg_policy
"""
_CONSTRAINTS = """
    SELECT k.conrelid::bigint, k.conname, k.contype, k.confrelid::bigint,
           array(SELECT a.attname FROM unnest(k.conkey) WITH ORDINALITY u(n, i)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY i)::text[],
           k.convalidated
    FROM pg_constraint k
    WHERE k.contype IN ('p', 'f') AND k.connamespace = to_regnamespace(quote_ident(current_schema()))
"""
_UNIQUES = """
    SELECT i.indrelid::bigint, c.relname,
           (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = i.indkey[0])
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE (i.indisunique OR i.indisexclusion) AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
"""
_VIEWS = """
    SELECT c.relname, c.relkind FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
      AND (c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(
           'security_invoker=true' = ANY (c.reloptions) OR 'security_invoker=on' = ANY (c.reloptions), false))
"""
# By rights and not by name: whoever logs in, whoever it became, and all that these could become.
ROLE_THAT_BYPASSES = """
    SELECT string_agg(r.rolname, ', ') FROM pg_roles r
    WHERE r.rolname IN (session_user, current_user)
      AND (EXISTS (SELECT FROM pg_roles s
                   WHERE (s.rolsuper OR s.rolbypassrls OR s.rolcreaterole OR s.rolreplication)
                     AND pg_has_role(r.oid, s.oid, 'member'))
           OR EXISTS (SELECT FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid
                      WHERE pg_has_role(r.oid, c.relowner, 'member')))
"""


def violations(connection: Any, *, control_tables: Collection[str]) -> list[str]:
    """One sentence for each wall that does not stand; an empty list is the proof that all do.

    `control_tables` are the tables with an organization that may be read before the tenant is known.
    """
    with connection.cursor() as cursor:
        return [*_role(cursor), *_views(cursor), *_tables(cursor, set(control_tables))]


def _rows(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql)
    return list(cursor.fetchall())


def _role(cursor: Any) -> Iterator[str]:
    for (names,) in _rows(cursor, ROLE_THAT_BYPASSES):
        if names:
            yield f"role {names} can bypass row-level security"


def _views(cursor: Any) -> Iterator[str]:
    for name, kind in _rows(cursor, _VIEWS):
        yield f"{'materialized view' if kind == 'm' else 'view'} {name} reads with its owner's rights"


def _tables(cursor: Any, control_tables: set[str]) -> Iterator[str]:
    policies, constraints = _rows(cursor, _POLICIES), _rows(cursor, _CONSTRAINTS)
    uniques, tables = _rows(cursor, _UNIQUES), _rows(cursor, _TABLES)
    tenant_oids = {oid for oid, name, *_, has_key, _t, _o in tables if has_key and name not in control_tables}
    for oid, name, is_enabled, is_forced, has_key, may_truncate, owns in tables:
        if owns:
            yield f"{name}: the current role owns it"
        if not has_key and name not in control_tables:
            continue
        if not (is_enabled and is_forced):
            yield f"{name}: row-level security is not forced"
        if may_truncate:
            yield f"{name}: the current role may TRUNCATE it"
        yield from _policy(name, [row[1:] for row in policies if row[0] == oid], is_control=name in control_tables)
        if oid in tenant_oids:
            yield from _keys(name, [row for row in constraints if row[0] == oid], tenant_oids)
            for unique in (row for row in uniques if row[0] == oid):
                if unique[2] != "organization_id":
                    yield f"{name}: unique {unique[1]} does not start with the organization"


def _policy(name: str, policies: list[Any], *, is_control: bool) -> Iterator[str]:
    if len(policies) != 1:
        yield f"{name}: {len(policies)} policies instead of one"
        return
    policy, command, is_permissive, for_everyone, using, check = policies[0]
    column = "id" if name == "orgs_organization" else "organization_id"
    expected = _normal(control_condition(column) if is_control else tenant_condition(column))
    if (policy, command, is_permissive, for_everyone) != (POLICY, "*", True, True):
        yield f"{name}: policy {policy} is not the one for every command and role"
    if _normal(using or "") != expected or _normal(check or "") != expected:
        yield f"{name}: policy {policy} does not have the canonical condition"


def _keys(name: str, constraints: list[Any], tenant_oids: set[int]) -> Iterator[str]:
    for _, key, kind, target, columns, is_validated in constraints:
        if kind == "p" and columns[0] != "organization_id":
            yield f"{name}: primary key {key} does not start with the organization"
        if kind == "f" and target in tenant_oids and columns[0] != "organization_id":
            yield f"{name}: foreign key {key} can reach another organization's rows"
        if kind == "f" and not is_validated:
            yield f"{name}: foreign key {key} was never validated"
    if not any(kind == "p" for _, _, kind, *_ in constraints):
        yield f"{name}: no primary key"


def _normal(expression: str) -> str:
    """PostgreSQL prints an expression with casts and parentheses of its own."""
    for noise in ("::text", "(", ")", " "):
        expression = expression.replace(noise, "")
    return expression.lower()
