"""What callers mean by names, looked up for many reports at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from catalog.models import Dataset, DatasetAlias, Pipeline, identity_of
from catalog.services.run_reports import as_uuid
from catalog.services.statements import fetch
from dataxpipe.problems import Conflict, NotFound

MAX_CANDIDATES = 20


class PipelineNotRegistered(NotFound):
    slug = "pipeline-not-registered"
    title = "No pipeline of this name is registered"
    about = (
        "Runs and check results belong to registered pipelines. Register the pipeline first (the detail holds the "
        "command), look at the spelling, or give the `namespace` it lives in."
    )

    def __init__(self, reference: str, **extensions: Any) -> None:
        command = (
            f"curl -X POST {settings.BASE_URL}/api/v1/pipelines/ -H 'X-API-KEY: <key>' "
            "-H 'Content-Type: application/yaml' --data-binary @pipeline.yaml"
        )
        super().__init__(f"No pipeline {reference} is registered here. Register it: {command}", **extensions)


class DatasetAmbiguous(Conflict):
    slug = "dataset-ambiguous"
    title = "The name means several datasets"
    about = "Aliases are unique in a pipeline only. `candidates` lists what the name could mean: send an id instead."


class DatasetUnknown(NotFound):
    slug = "dataset-unknown"
    title = "No dataset of this name is known"
    about = "Name a dataset by its id, by its alias in the pipeline's spec, or by its OpenLineage namespace and name."


_PIPELINE_FIELDS = ("organization_id", "id", "namespace", "name", "identity")
_FIND_PIPELINES = f"""
    SELECT {", ".join(_PIPELINE_FIELDS)} FROM catalog_pipeline
    WHERE organization_id = %(organization)s AND deleted_at IS NULL
      AND (identity = ANY(%(identities)s) OR id = ANY(%(ids)s::uuid[]))
"""  # noqa: S608  (names of our own columns)


def find_pipelines(references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Pipeline]:
    """By (id or name, namespace), those that exist; an id goes before a name that looks like one.

    The instances know id, namespace and name; anything else is read when it is asked for.
    """
    wanted = set(references)
    by_identity = {identity_of(namespace, name): (name, namespace) for name, namespace in wanted}
    ids = {uuid for name, _ in wanted if (uuid := as_uuid(name))}
    rows = [
        Pipeline.from_db("default", _PIPELINE_FIELDS, row)
        for row in fetch(_FIND_PIPELINES, identities=list(by_identity), ids=list(ids))
    ]
    found = {by_identity[key]: row for row in rows if (key := bytes(row.identity)) in by_identity}
    by_id = {row.id: row for row in rows}
    for reference in wanted:
        if row := by_id.get(as_uuid(reference[0])):
            found[reference] = row
    return found


@dataclass(frozen=True, slots=True)
class DatasetReference:
    """A dataset as a report of a pipeline names it: id, alias, name, or namespace and name."""

    pipeline_id: UUID
    text: str
    namespace: str | None = None

    def identities(self) -> list[bytes]:
        """`postgres://host:5432/db.schema.table` is a namespace and a name; which slash parts them is tried out."""
        if self.namespace is not None:
            return [identity_of(self.namespace, self.text)]
        cuts = [place for place, letter in enumerate(self.text) if letter == "/"]
        return [identity_of(self.text[:place], self.text[place + 1 :]) for place in cuts]


class DatasetLookup:
    """Answers references with two queries whatever their number."""

    def __init__(self, references: Iterable[DatasetReference]) -> None:
        wanted = set(references)
        self.aliases: dict[tuple[UUID, str], UUID] = {}
        self.anywhere: dict[str, set[UUID]] = defaultdict(set)
        texts = {reference.text for reference in wanted if reference.namespace is None}
        if texts:
            known = DatasetAlias.objects.existing().filter(alias__in=texts)
            for row in known.values_list("pipeline_id", "alias", "dataset_id"):
                self.aliases[row[0], row[1]] = row[2]
                self.anywhere[row[1]].add(row[2])
        identities = {identity for reference in wanted for identity in reference.identities()}
        ids = {uuid for text in texts if (uuid := as_uuid(text))} | set().union(*self.anywhere.values())
        meant = Q(identity__in=identities) | Q(id__in=ids) | Q(name__in=texts)
        self.datasets: list[Mapping[str, Any]] = []
        if wanted:
            self.datasets = list(Dataset.objects.filter(meant).values("id", "identity", "namespace", "name"))

    def find(self, reference: DatasetReference) -> UUID:
        """Raises `DatasetUnknown`, or `DatasetAmbiguous` with the candidates."""
        own = self.aliases.get((reference.pipeline_id, reference.text))
        if own is not None and reference.namespace is None:
            return own
        identities = reference.identities()
        certain = [
            row for row in self.datasets if row["id"] == as_uuid(reference.text) or bytes(row["identity"]) in identities
        ]
        named = [
            row for row in self.datasets if row["name"] == reference.text or row["id"] in self.anywhere[reference.text]
        ]
        candidates = certain or ([] if reference.namespace is not None else named)
        if not candidates:
            raise DatasetUnknown(f"There is no dataset {reference.text}.")
        if len(candidates) > 1:
            raise DatasetAmbiguous(
                f"{reference.text} means {len(candidates)} datasets. Send one of the ids in `candidates`.",
                candidates=[_candidate(row) for row in candidates[:MAX_CANDIDATES]],
            )
        id_: UUID = candidates[0]["id"]
        return id_


def _candidate(row: Mapping[str, Any]) -> dict[str, str]:
    return {"id": str(row["id"]), "namespace": row["namespace"], "name": row["name"]}
