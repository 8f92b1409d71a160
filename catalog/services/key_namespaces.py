"""The namespaces that an API key may speak for, where it is limited to some."""

from __future__ import annotations

from collections.abc import Iterable

from dataxpipe.problems import Forbidden
from orgs.actors import Actor


class NamespaceNotAllowed(Forbidden):
    slug = "namespace-not-allowed"
    title = "The key may not speak for this namespace"
    about = (
        "The API key is limited to some namespaces of pipelines and OpenLineage jobs (for a DatasetEvent, of "
        "datasets). `allowed` lists them; for events after renaming by the key's `namespace_map`."
    )


def require_namespaces(actor: Actor, namespaces: Iterable[str]) -> None:
    """Raises `NamespaceNotAllowed`; people and keys without such a list may speak for all."""
    allowed = actor.api_key.allowed_namespaces if actor.api_key else []
    refused = sorted(set(namespaces).difference(allowed)) if allowed else []
    if refused:
        raise NamespaceNotAllowed(f"The API key may not speak for the namespace {refused[0]}.", allowed=sorted(allowed))
