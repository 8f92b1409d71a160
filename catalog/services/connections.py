"""Creating, changing and deleting connections. Plain secrets are sealed on the way in and never come out again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone

from catalog.connection_types import ConnectionType, config_errors, connection_types
from catalog.credentials import seal
from catalog.models import Connection, ConnectionSecret, Pipeline
from catalog.services.at_risk import lock_if_at_risk, refresh_risk_of
from catalog.services.redeclaration import redeclare_lineage
from dataxpipe.problems import Conflict, FieldError, ValidationFailed
from dataxpipe.requests import json_pointer
from orgs.actors import Actor
from orgs.audit import Action, record
from orgs.plans import require_room

SLUG = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")


class ConnectionExists(Conflict):
    slug = "connection-exists"
    title = "The connection exists already"
    about = "Another connection of the organization has this id. Change that one with PATCH, or choose another id."


class ConnectionInUse(Conflict):
    slug = "connection-in-use"
    title = "The connection is in use"
    about = (
        "Current specs refer to the connection; `pipelines` names up to 20 of them. Register specs without it, "
        "or delete those pipelines, first."
    )


def create_connection(
    *,
    slug: str,
    type: str,  # noqa: A002 - the contract's word
    config: Mapping[str, Any],
    actor: Actor,
    description: str = "",
    namespaces: Iterable[str] = (),
) -> Connection:
    """Raises `ValidationFailed` with pointers, `PlanLimitReached`, `ConnectionExists`."""
    kind = _type_named(type, slug=slug)
    secrets = _checked(kind, {}, config, kept=set())
    require_room("connections")
    if Connection.objects.filter(slug=slug).exists():
        raise ConnectionExists(f"There is already a connection {slug}.")
    connection = Connection(
        slug=slug,
        type=type,
        description=description,
        config={field: value for field, value in config.items() if field not in secrets},
        namespaces=list(namespaces),
        created_by_id=actor.id,
        created_by_label=actor.label,
    )
    connection.save()
    _seal_all(connection, secrets)
    record(Action.CONNECTION_CREATED, actor, target=connection, after=_remembered(connection, secrets))
    return connection


def update_connection(
    *,
    connection: Connection,
    actor: Actor,
    config: Mapping[str, Any] | None = None,
    description: str | None = None,
    namespaces: Iterable[str] | None = None,
) -> Connection:
    """`config` is merged into what is there (RFC 7396: null removes a field).

    Changing host, port or user asks for the plain secrets again, so that nobody can send them elsewhere.
    Where the names of datasets follow from what changed, the declared lineage of the specs follows too.
    """
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    before = _remembered(connection, _secret_fields(connection))
    named_by = (connection.config, connection.namespaces)
    if config is not None:
        _merge_config(connection, config)
    if description is not None:
        connection.description = description
    if namespaces is not None:
        connection.namespaces = list(namespaces)
    connection.save()
    if (connection.config, connection.namespaces) != named_by:
        _move_datasets(connection)
    after = _remembered(connection, _secret_fields(connection))
    replaced = sorted(field for field in config or {} if field in after["secrets"])
    if before != after or replaced:
        record(
            Action.CONNECTION_UPDATED,
            actor,
            target=connection,
            before=before,
            after=after | {"secrets_replaced": replaced},
        )
    return connection


def _move_datasets(connection: Connection) -> None:
    using = Pipeline.objects.using_connection(connection.slug)
    pipeline_ids = list(using.values_list("id", flat=True))
    may_risk = lock_if_at_risk(pipeline_ids)
    redeclare_lineage(using)
    if may_risk:
        refresh_risk_of(pipeline_ids)


def delete_connection(*, connection: Connection, actor: Actor) -> None:
    """Raises `ConnectionInUse` while the current spec of a pipeline refers to it."""
    connection = Connection.objects.select_for_update().get(pk=connection.pk)
    using = list(Pipeline.objects.existing().using_connection(connection.slug).order_by("name")[:20])
    if using:
        names = [{"namespace": pipeline.namespace, "name": pipeline.name} for pipeline in using]
        raise ConnectionInUse(
            f"{connection.slug} is used by {', '.join(pipeline.name for pipeline in using[:3])}"
            f"{' and others' if len(using) > 3 else ''}.",
            pipelines=names,
        )
    record(
        Action.CONNECTION_DELETED, actor, target=connection, before=_remembered(connection, _secret_fields(connection))
    )
    ConnectionSecret.objects.filter(connection=connection).delete()
    Connection.objects.filter(pk=connection.pk).delete()


def _type_named(name: str, *, slug: str) -> ConnectionType:
    errors = []
    if not SLUG.fullmatch(slug):
        detail = "Use a-z, 0-9 and _ . - only, starting with a letter or digit, at most 100."
        errors.append(FieldError("invalid_format", detail, pointer="/id"))
    known = connection_types()
    if name not in known:
        errors.append(FieldError("invalid_choice", f"Known are {', '.join(known)}.", pointer="/type"))
    if errors:
        raise ValidationFailed("The connection is not valid.", errors=errors)
    return known[name]


def _merge_config(connection: Connection, changes: Mapping[str, Any]) -> None:
    kind = connection_types().get(connection.type) or ConnectionType(connection.type, connection.type, {})
    sealed = _secret_fields(connection)
    changes = {field: value for field, value in changes.items() if not _is_read_back(value)}
    merged = {field: value for field, value in {**connection.config, **changes}.items() if value is not None}
    kept = sealed - changes.keys()
    secrets = _checked(kind, connection.config, merged, kept=kept)
    _seal_all(connection, secrets)
    removed = [field for field, value in changes.items() if value is None and field in sealed]
    if removed:
        ConnectionSecret.objects.filter(connection=connection, field__in=removed).delete()
    connection.config = {field: value for field, value in merged.items() if field not in secrets}


def _checked(
    kind: ConnectionType, before: Mapping[str, Any], config: Mapping[str, Any], *, kept: set[str]
) -> dict[str, str]:
    """The plain secrets of a configuration in which everything is right; `kept` are those sealed before."""
    errors = list(config_errors(kind, config))
    secrets = {field: value for field, value in config.items() if kind.is_secret(field)}
    for field in sorted({*secrets, *kept}):
        if f"{field}_secret" in config:
            detail = f"{field}_secret refers to the same secret. Keep one; null removes a field."
            errors.append(FieldError("conflict", detail, pointer=json_pointer(["config", field])))
    moved = sorted(field for field in {*before, *config} if before.get(field) != config.get(field))
    if moved_address := [field for field in moved if kind.is_address(field)]:
        for field in sorted(kept):
            detail = f"{', '.join(moved_address)} changes, so send {field} again (or null to remove it)."
            errors.append(FieldError("required", detail, pointer=json_pointer(["config", field])))
    if errors:
        raise ValidationFailed("The configuration is not valid.", errors=errors[:100])
    return secrets


def _is_read_back(value: Any) -> bool:
    """A secret as an answer shows it, sent back unchanged."""
    return isinstance(value, dict) and value.get("set") is True


def _secret_fields(connection: Connection) -> set[str]:
    return set(ConnectionSecret.objects.filter(connection=connection).values_list("field", flat=True))


def _seal_all(connection: Connection, secrets: Mapping[str, str]) -> None:
    rows = []
    for field, text in secrets.items():
        key_id, sealed = seal(text, connection_id=connection.pk, field=field)
        rows.append(
            ConnectionSecret(
                connection=connection, field=field, key_id=key_id, sealed=sealed, updated_at=timezone.now()
            )
        )
    ConnectionSecret.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["organization", "connection", "field"],
        update_fields=["key_id", "sealed", "updated_at"],
    )


def _remembered(connection: Connection, secrets: Iterable[str]) -> dict[str, Any]:
    """What the audit keeps: never a secret, only which there are."""
    return {
        "type": connection.type,
        "description": connection.description,
        "config": connection.config,
        "namespaces": connection.namespaces,
        "secrets": sorted(secrets),
    }
