"""What the browse page can be narrowed to, and the menus, chips and tabs that do it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count
from django.http import QueryDict

from catalog.charts import word
from catalog.models import Health, Pipeline, PipelineTag, RunStatus
from catalog.views.addresses import address, text_of, texts_of

NEEDS_ATTENTION = [Health.FAILING.value, Health.LATE.value, Health.AT_RISK.value]
MENU_LENGTH, QUICK_LENGTH = 60, 4
# By sort key: the order, and whether the first click sorts downwards.
ORDERS = {
    "health": ["health_rank", "name", "id"],
    "-health": ["-health_rank", "name", "id"],
    "name": ["name", "id"],
    "-name": ["-name", "-id"],
    "last_run": ["last_run_at", "id"],
    "-last_run": ["-last_run_at", "-id"],
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of a menu: what it says, how many pipelines it leaves, where it leads."""

    value: str
    label: str
    count: int
    href: str
    is_on: bool = False


@dataclass(frozen=True, slots=True)
class Menu:
    """A filter as a menu; with `applied` it is a chip that a click removes."""

    name: str
    label: str
    choices: list[Choice]
    applied: list[Choice] = field(default_factory=list)
    more: int = 0


class PipelineFilters:
    """The parameters of the page, read leniently."""

    def __init__(self, query: QueryDict) -> None:
        self.query = query
        self.text = text_of(query, "q")
        self.tags = texts_of(query, "tag")
        self.owner = text_of(query, "owner")
        self.environment = text_of(query, "environment")
        self.namespace = text_of(query, "namespace")
        self.healths = [value for value in texts_of(query, "health") if value in Health.values]
        self.status = text_of(query, "status") if text_of(query, "status") in RunStatus.values else ""
        self.is_archived = text_of(query, "archived") == "true"
        self.sort = text_of(query, "sort") if text_of(query, "sort") in ORDERS else "health"

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.tags or self.healths or any(self._equalities().values()))

    def _equalities(self) -> dict[str, str]:
        return {
            "owner": self.owner,
            "environment": self.environment,
            "namespace": self.namespace,
            "status": self.status,
        }

    def all(self) -> Any:
        return Pipeline.objects.archived() if self.is_archived else Pipeline.objects.active()

    def found(self) -> Any:
        found = self.all()
        if self.text:
            found = found.matching(self.text)
        if self.tags:
            found = found.tagged(*self.tags)
        if self.owner:
            found = found.owned_by(self.owner)
        if self.environment:
            found = found.filter(environment=self.environment)
        if self.namespace:
            found = found.filter(namespace=self.namespace)
        if self.status:
            found = found.filter(last_run_status=self.status)
        if self.healths:
            found = found.in_health(*self.healths)
        return found

    def sorted(self) -> Any:
        return self.found().with_health_rank().with_last_run_at()

    @property
    def order(self) -> list[str]:
        return ORDERS[self.sort]

    def sort_href(self, name: str, *, descends_first: bool = False) -> str:
        first, second = (f"-{name}", name) if descends_first else (name, f"-{name}")
        return address(self.query, sort=second if self.sort == first else first)

    def without(self) -> str:
        """The address with every filter left out."""
        return address(QueryDict(), archived="true" if self.is_archived else None)


class Facets:
    """How many pipelines each value would leave: two grouped queries, whatever the number of pipelines."""

    def __init__(self, filters: PipelineFilters) -> None:
        self.filters = filters
        self.counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("health", "owner", "environment", "namespace", "status")
        }
        names = ("current_health", "owner", "environment", "namespace", "last_run_status")
        grouped = filters.all().with_health().values_list(*names).annotate(count=Count("id")).order_by()
        self.total = 0
        for *values, count in grouped:
            self.total += count
            for counter, value in zip(self.counts.values(), values, strict=True):
                counter[value] += count
        carriers = PipelineTag.objects.filter(pipeline__in=filters.all())
        self.counts["tag"] = Counter(dict(carriers.values_list("tag").annotate(count=Count("id")).order_by()))

    def menus(self) -> list[Menu]:
        filters = self.filters
        return [
            self._menu("tag", "Tags", filters.tags),
            self._menu("owner", "Owner", [filters.owner]),
            self._menu("environment", "Environment", [filters.environment]),
            self._menu("health", "Health", filters.healths, Health.values),
            self._menu("namespace", "Namespace", [filters.namespace]),
            self._menu("status", "Last run", [filters.status], RunStatus.values),
        ]

    def _menu(self, name: str, label: str, applied: list[str], order: Iterable[str] = ()) -> Menu:
        counts = self.counts[name]
        order = list(order)
        values = [value for value in order if counts[value]] if order else by_count(counts)
        as_words = bool(order)
        choices = [self._choice(name, value, applied, as_words) for value in values[:MENU_LENGTH] if value]
        on = [self._choice(name, value, applied, as_words) for value in applied if value]
        return Menu(name, label, choices, on, max(0, len(values) - MENU_LENGTH))

    def _choice(self, name: str, value: str, applied: list[str], as_words: bool) -> Choice:
        is_on = value in applied
        several = [one for one in applied if one != value] if name in {"tag", "health"} else []
        href = address(self.filters.query, **{name: several if is_on else [*several, value]})
        return Choice(value, word(value) if as_words else value, self.counts[name][value], href, is_on)

    def quick(self) -> list[Choice]:
        """The commonest tags that are not applied yet."""
        tags = [tag for tag in by_count(self.counts["tag"]) if tag not in self.filters.tags][:QUICK_LENGTH]
        return [self._choice("tag", tag, self.filters.tags, False) for tag in tags]

    def tabs(self, archived_count: int) -> list[Choice]:
        filters = self.filters
        attention = sum(self.counts["health"][health] for health in NEEDS_ATTENTION)
        is_attention = sorted(filters.healths) == sorted(NEEDS_ATTENTION)
        is_plain = not filters.is_archived and not is_attention
        live = archived_count if filters.is_archived else self.total
        tabs = [Choice("", "All", live, "?", is_plain)]
        if not filters.is_archived:
            href = address(QueryDict(), health=NEEDS_ATTENTION)
            tabs.append(Choice("attention", "Needs attention", attention, href, is_attention))
        gone = self.total if filters.is_archived else archived_count
        if gone or filters.is_archived:
            tabs.append(Choice("archived", "Archived", gone, "?archived=true", filters.is_archived))
        return tabs

    def health_counts(self) -> dict[str, int]:
        return dict(self.counts["health"])


def by_count(counts: Counter[str]) -> list[str]:
    """The commonest first, equals by name, nothing that nobody has."""
    return sorted((value for value, count in counts.items() if count), key=lambda value: (-counts[value], value))
