"""A catalog of believable shape, made of numbers alone: layers of pipelines in business domains.

Layers get narrower from raw to report. A pipeline reads one to three datasets of the layer before, mostly of its own
domain, and writes one or two. Every second pipeline does so through a step. The same size gives the same catalog.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

DOMAINS = ("orders", "billing", "catalog", "crm", "finance", "growth", "inventory", "logistics", "people", "risk",
           "search", "support", "web")  # fmt: skip
TAGS = ("pii", "tier-1", "tier-2", "hourly", "daily", "gdpr", "finance", "experimental", "sla", "legacy")
OWNERS = tuple(f"{domain}-data@example.com" for domain in DOMAINS)
ENVIRONMENTS = ("production", "production", "production", "staging")


@dataclass(slots=True)
class ShapedPipeline:
    """`reads` and `writes` are numbers of datasets."""

    number: int
    layer: int
    domain: str
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.domain}_{self.layer:02}_{self.number:05}"

    @property
    def has_step(self) -> bool:
        return self.number % 2 == 0


@dataclass(frozen=True, slots=True)
class Shape:
    pipelines: list[ShapedPipeline]
    dataset_names: list[str]

    def dataset_of_layer(self, layer: int) -> int:
        """A dataset that the middle pipeline of a layer writes."""
        of_layer = [pipeline for pipeline in self.pipelines if pipeline.layer == layer and pipeline.writes]
        return of_layer[len(of_layer) // 2].writes[0]


def make_shape(pipelines: int, *, layers: int, seed: int = 1) -> Shape:
    """`pipelines` spread over `layers`; a domain has about forty of them."""
    chance = random.Random(seed)
    names: list[str] = []
    made: dict[tuple[int, int], list[int]] = {}
    domains = max(1, pipelines // 40)

    def dataset(layer: int, domain: int) -> int:
        names.append(f"warehouse.{_domain(domain)}.l{layer:02}_{len(names):06}")
        made.setdefault((layer, domain), []).append(len(names) - 1)
        return len(names) - 1

    for domain in range(domains):
        for _ in range(6):
            dataset(0, domain)
    shaped = []
    for number in range(pipelines):
        layer, domain = 1 + number * layers // pipelines, chance.randrange(domains)
        pipeline = ShapedPipeline(number, layer, _domain(domain))
        for _ in range(chance.choice((1, 1, 2, 2, 3))):
            other = domain if chance.random() < 0.85 else chance.randrange(domains)
            known = made.get((layer - 1, other)) or made.get((layer - 1, domain)) or made[(0, domain)]
            pipeline.reads.append(chance.choice(known))
        pipeline.reads = sorted(set(pipeline.reads))
        pipeline.writes = [dataset(layer, domain) for _ in range(chance.choice((1, 1, 1, 1, 2)))]
        shaped.append(pipeline)
    return Shape(shaped, names)


def _domain(number: int) -> str:
    name = DOMAINS[number % len(DOMAINS)]
    return name if number < len(DOMAINS) else f"{name}{number // len(DOMAINS) + 1}"
