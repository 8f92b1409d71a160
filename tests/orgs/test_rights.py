import pytest

from dataxpipe.problems import Forbidden
from orgs.actors import Actor
from orgs.permissions import Right, Role, require

# The rights table: the least role, and the scope of keys.
TABLE = [
    ("READ_CATALOG", "viewer", "catalog:read"),
    ("PLAN", "viewer", "plan:read"),
    ("INGEST", "editor", "ingest:write"),
    ("WRITE_CATALOG", "editor", "catalog:write"),
    ("WRITE_CONNECTIONS", "admin", "connections:write"),
    ("READ_ORGANIZATION", "admin", "organization:read"),
    ("ADMINISTER", "admin", "organization:admin"),
    ("OWN", "owner", None),
]
ROLES = ["viewer", "editor", "admin", "owner"]


def test_the_table_is_complete():
    assert {name for name, _, _ in TABLE} | {"OPERATE"} == set(Right.__members__)


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("kind", ["platform", "staff"])
def test_an_operator_operates_and_does_nothing_else(right, kind):
    assert Actor(kind=kind, id="1", label="x").may(right) is (right is Right.OPERATE)


@pytest.mark.parametrize("right", Right)
def test_staff_inside_an_organization_may_what_a_viewer_may(right):
    viewer = Actor(kind="person", id="1", label="x", role=Role.VIEWER)
    assert Actor(kind="staff", id="1", label="x", role=Role.VIEWER).may(right) is viewer.may(right)
    assert not viewer.may(Right.OPERATE)


@pytest.mark.parametrize(("name", "least", "scope"), TABLE)
@pytest.mark.parametrize("role", ROLES)
def test_a_person_may_what_the_role_says(name, least, scope, role):
    actor = Actor(kind="person", id="1", label="x", role=Role(role))
    assert actor.may(Right[name]) is (ROLES.index(role) >= ROLES.index(least))


@pytest.mark.parametrize(("name", "least", "scope"), TABLE)
@pytest.mark.parametrize("held", [scope for _, _, scope in TABLE])
def test_a_key_may_what_its_scope_says(name, least, scope, held):
    actor = Actor(kind="api_key", id="1", label="x", scopes=frozenset([held] if held else []))
    assert actor.may(Right[name]) is (scope is not None and scope == held)


@pytest.mark.parametrize("right", Right)
def test_somebody_without_a_role_may_nothing_and_the_system_everything(right):
    assert not Actor(kind="person", id="1", label="x").may(right)
    assert Actor.system("worker").may(right)


def test_a_refusal_names_what_is_missing():
    with pytest.raises(Forbidden, match="the role admin") as refusal:
        require(Actor(kind="person", id="1", label="x", role=Role.EDITOR), Right.ADMINISTER)
    assert refusal.value.extensions == {"required": "admin"}
    with pytest.raises(Forbidden, match="a key with the scope ingest:write"):
        require(Actor(kind="api_key", id="1", label="x"), Right.INGEST)
    with pytest.raises(Forbidden, match="an owner in the browser"):
        require(Actor(kind="api_key", id="1", label="x"), Right.OWN)
