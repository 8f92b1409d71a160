"""The specs behind the stories: datasets with columns, one transform per target, checks, column lineage."""

from __future__ import annotations

from functools import cache
from typing import Any

from catalog.demo.stories import ACME, CONNECTIONS, GLOBEX, Story

Document = dict[str, Any]

# name:type, a trailing ! marks personal data. What is not listed has KEYED columns.
COLUMNS = {
    "ecommerce.orders": "order_id:bigint customer_id:bigint status:text amount:numeric currency:char(3) "
    "channel:text coupon_code:text created_at:timestamptz updated_at:timestamptz",
    "ecommerce.order_items": "order_id:bigint line:int product_id:bigint quantity:int price:numeric",
    "ecommerce.customers": "customer_id:bigint email:text! first_name:text! last_name:text! birthday:date! "
    "country:char(2) created_at:timestamptz",
    "ecommerce.addresses": "customer_id:bigint street:text! city:text! postcode:text! country:char(2)",
    "ecommerce.products": "product_id:bigint name:text category_id:int price:numeric is_available:boolean",
    "ecommerce.refunds": "refund_id:bigint order_id:bigint reason:text amount:numeric created_at:timestamptz",
    "ref.fx_rates": "day:DATE currency:STRING rate:NUMERIC",
    "core.ledger_entries": "entry_id:NUMBER account:VARCHAR posting_reference:VARCHAR amount:NUMBER booked_at:DATE",
    "core.invoices": "invoice_id:NUMBER supplier_id:NUMBER amount:NUMBER due_on:DATE",
    "web.events": "event_id:string visitor_id:string! url:string referrer:string ip:string! occurred_at:timestamp",
    "crm.accounts": "account_id:bigint name:text owner_email:text! segment:text arr:numeric",
    "crm.contacts": "contact_id:bigint account_id:bigint email:text! phone:text!",
    "landing/helpdesk": "ticket_id:string requester:string! subject:string body:string! created_at:timestamp",
}
KEYED = "{key}_id:bigint updated_at:timestamp value:numeric status:text"
CHECKS = (("{key}_not_null", "error"), ("{key}_unique", "error"), ("row_count_within_band", "warn"),
          ("freshness_updated_at", "warn"), ("amount_non_negative", "error"))  # fmt: skip
KEPT_COLUMNS = 12


def spec_of(story: Story) -> Document:
    """A whole spec, as its authors would keep it in their repository."""
    sources = [_dataset(reference) for reference in story.reads.split()]
    targets = [_dataset(reference) for reference in story.writes.split()]
    for target in targets:
        target["columns"] = _columns_of_target(target["object"], sources)
    return {
        "version": story.version,
        "pipeline": {
            "name": story.name,
            "description": story.description,
            "owner": story.owner,
            "environment": story.environment,
            "schedule": story.schedule,
            "timezone": "Europe/Vienna" if story.domain in {"ecommerce", "finance"} else "UTC",
            "tags": story.tags.split(),
            "namespace": story.namespace,
        },
        "sources": [_source(dataset) for dataset in sources],
        "transforms": [_transform(story, target, sources) for target in targets],
        "targets": [{**target, "write_mode": "merge", "primary_key": [_key(target)]} for target in targets],
        "checks": _checks(story, targets[0]),
        "slo": {"freshness_minutes": 90, "success_rate": 0.99} if "tier-1" in story.tags else {"success_rate": 0.95},
        "openlineage": [{"namespace": "airflow-prod", "job": f"{story.namespace}.{story.name}"}],
        "source": {"repository": "acme-corp/data", "commit": commit_of(story), "path": f"pipelines/{story.name}.yaml"},
    }


def earlier_spec_of(story: Story, number: int) -> Document:
    """The spec as it was `number` versions before: fewer tags, columns and checks, an older commit."""
    document = spec_of(story)
    major, minor, _ = story.version.split(".")
    document["version"] = f"{major}.{max(0, int(minor) - number)}.{number % 3}"
    document["source"]["commit"] = commit_of(story, number)
    document["checks"] = document["checks"][: max(1, len(document["checks"]) - number)]
    document["pipeline"]["tags"] = document["pipeline"]["tags"][: max(1, 3 - number)]
    for transform in document["transforms"]:
        transform["code_sha256"] = f"{number + 1:064x}"
    return document


def commit_of(story: Story, number: int = 0) -> str:
    return f"{(sum(map(ord, story.name)) * 7919 + number * 104729) % 0xFFFFFFF:07x}"


def _dataset(reference: str) -> Document:
    connection, _, name = reference.partition(":")
    slug, kind, _ = CONNECTIONS[connection]
    return {
        "id": name.replace(".", "_")
        if connection == "bq"
        else f"{connection}_{name.replace('/', '.').rpartition('.')[2]}",
        "type": kind,
        "connection_ref": slug,
        "object": name,
        "columns": list(_columns_of(reference)),
    }


@cache
def _columns_of(reference: str) -> tuple[Document, ...]:
    """As the story that writes it makes them; what none writes has its own."""
    for story in (*ACME, *GLOBEX):
        if reference in story.writes.split():
            sources = [_dataset(source) for source in story.reads.split()]
            return tuple(_columns_of_target(reference.partition(":")[2], sources))
    return tuple(_column(text) for text in _column_texts(reference.partition(":")[2]))


def _column_texts(name: str) -> list[str]:
    last = name.replace("/", ".").rpartition(".")[2]
    return COLUMNS.get(name, KEYED.format(key=last.removesuffix("s"))).split()


def _column(text: str) -> Document:
    name, _, kind = text.partition(":")
    column: Document = {"name": name, "type": kind.removesuffix("!")}
    return column | ({"tags": ["pii"]} if kind.endswith("!") else {})


def _key(dataset: Document) -> str:
    name: str = dataset["columns"][0]["name"]
    return name


def _columns_of_target(name: str, sources: list[Document]) -> list[Document]:
    """What the sources have, first come first kept, and when it was loaded."""
    if name in COLUMNS:
        return [_column(text) for text in COLUMNS[name].split()]
    kept = {column["name"]: column for source in sources for column in source["columns"]}
    kept.pop("loaded_at", None)
    return [*list(kept.values())[:KEPT_COLUMNS], {"name": "loaded_at", "type": "TIMESTAMP"}]


def _source(dataset: Document) -> Document:
    names = [column["name"] for column in dataset["columns"]]
    if "updated_at" in names:
        return {**dataset, "load_mode": "incremental", "watermark_column": "updated_at"}
    return {**dataset, "load_mode": "full"}


def _transform(story: Story, target: Document, sources: list[Document]) -> Document:
    mappings = []
    for column in target["columns"]:
        origins = [f"{s['id']}.{column['name']}" for s in sources if column["name"] in _names(s)]
        if origins:
            mappings.append({"to": f"{target['id']}.{column['name']}", "from": origins[:1],
                             "masking": "pii" in column.get("tags", ())})  # fmt: skip
    code = target["object"].replace("/", ".").rpartition(".")[2]
    return {
        "id": f"build_{code}",
        "type": "sql",
        "code_ref": f"transforms/{code}.sql",
        "code_sha256": f"{sum(map(ord, story.version + code)):064x}",
        "inputs": [source["id"] for source in sources],
        "outputs": [target["id"]],
        "column_lineage": mappings,
    }


def _names(dataset: Document) -> set[str]:
    return {column["name"] for column in dataset["columns"]}


def _checks(story: Story, target: Document) -> list[Document]:
    count = 5 if "tier-1" in story.tags else 2
    return [
        {
            "id": (check := name.format(key=_key(target))),
            "dataset": target["id"],
            "sql": f"checks/{check}.sql",
            "severity": severity,
        }
        for name, severity in CHECKS[:count]
    ]
