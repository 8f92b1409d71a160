"""What was sent, before anything is written: read, renamed as the key says, masked, and refused where it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from catalog.openlineage.envelope import no_object, read_event
from catalog.openlineage.events import DatasetEvent, Event, JobEvent, map_namespaces
from catalog.openlineage.masking import Finding, mask, redact_sources
from catalog.services.key_namespaces import NamespaceNotAllowed
from dataxpipe.problems import Problem
from orgs.models import ApiKey, Organization


@dataclass(frozen=True, slots=True)
class Policy:
    """What a key may speak for and how it is renamed, and what its organization stores."""

    namespace_map: Mapping[str, str] = field(default_factory=dict)
    allowed_namespaces: frozenset[str] = frozenset()
    store_sql: bool = True
    store_source_code: bool = True

    @classmethod
    def of(cls, organization: Organization, api_key: ApiKey | None) -> Policy:
        return cls(
            namespace_map=api_key.namespace_map if api_key else {},
            allowed_namespaces=frozenset(api_key.allowed_namespaces if api_key else ()),
            store_sql=organization.settings.get("store_sql") != "no",
            store_source_code=organization.settings.get("store_source_code") != "no",
        )


@dataclass(frozen=True, slots=True)
class Received:
    """An event that can be applied. `document` is what may be stored of it; `index` its place in the batch."""

    index: int
    document: dict[str, Any]
    event: Event
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event of a batch was not taken; sending it again helps only where it is retriable."""

    index: int
    problem: Problem

    @property
    def is_retriable(self) -> bool:
        return self.problem.status >= 500


def read_events(documents: Sequence[Any], policy: Policy) -> tuple[list[Received], list[Refusal]]:
    received, refused = [], []
    for index, document in enumerate(documents):
        try:
            received.append(read_one(index, document, policy))
        except Problem as problem:
            refused.append(Refusal(index, problem))
    return received, refused


def read_one(index: int, document: Any, policy: Policy) -> Received:
    """Raises `EventInvalid` with every defect, or `NamespaceNotAllowed`."""
    if not isinstance(document, dict):
        raise no_object()
    masked, findings = mask(document)
    stored = redact_sources(masked, policy.store_sql, policy.store_source_code)
    event = map_namespaces(read_event(stored), policy.namespace_map)
    _require_allowed(event, policy)
    return Received(index, stored, event, findings)


def kind_of(event: Event) -> str:
    return "dataset" if isinstance(event, DatasetEvent) else "job" if isinstance(event, JobEvent) else "run"


def _require_allowed(event: Event, policy: Policy) -> None:
    spoken_for = event.dataset.namespace if isinstance(event, DatasetEvent) else event.job.namespace
    if policy.allowed_namespaces and spoken_for not in policy.allowed_namespaces:
        raise NamespaceNotAllowed(
            "The API key may not send events of this namespace.", allowed=sorted(policy.allowed_namespaces)
        )
