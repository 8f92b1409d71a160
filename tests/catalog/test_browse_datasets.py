import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orgs.tenancy import tenant_scope
from tests.factories import CheckFactory, CheckResultFactory, ConnectionFactory, DatasetFactory
from tests.factories.browsed import HOSTILE, make_flow, make_full_pipeline, make_pipeline
from tests.factories.rows import DatasetColumnFactory, PipelineVersionFactory

DATASETS, CHECKS, CONNECTIONS = "/o/acme/datasets/", "/o/acme/checks/", "/o/acme/connections/"


def names(response):
    assert response.status_code == 200
    return [row["dataset"].name for row in response.context["rows"]]


def test_datasets_are_listed_with_who_writes_and_reads_them(alice_client, acme):
    make_flow(acme, "one", "two")
    page = alice_client.get(DATASETS)
    found = {row["dataset"].name: (row["writer_count"], row["reader_count"]) for row in page.context["rows"]}
    assert found == {"raw.one": (0, 1), "clean.one": (1, 1), "clean.two": (1, 0)}


def test_datasets_are_narrowed_by_name_store_and_failing_checks(alice_client, acme):
    DatasetFactory(organization=acme, name="orders", namespace="bigquery")
    DatasetFactory(organization=acme, name="bad_orders", failing_check_count=1)
    assert names(alice_client.get(f"{DATASETS}?q=ORDERS")) == ["bad_orders", "orders"]
    assert names(alice_client.get(f"{DATASETS}?namespace=bigquery")) == ["orders"]
    assert names(alice_client.get(f"{DATASETS}?failing=true")) == ["bad_orders"]
    assert "Clear all filters" in alice_client.get(f"{DATASETS}?q=zzz").content.decode()


def test_a_dataset_shows_its_columns_writers_readers_and_checks(alice_client, acme):
    one, _ = make_flow(acme, "one", "two")
    with tenant_scope(acme):
        dataset = one.links.get(direction="writes").dataset
    DatasetColumnFactory(organization=acme, dataset=dataset, name="order_id", type="bigint", tags=["pii"])
    CheckFactory(organization=acme, pipeline=one, dataset=dataset, check_id="not_null", failing_since=timezone.now())
    page = alice_client.get(f"{DATASETS}{dataset.pk}/")
    assert [pipeline.name for pipeline in page.context["writers"]] == ["one"]
    assert [pipeline.name for pipeline in page.context["readers"]] == ["two"]
    assert "order_id" in page.content.decode()
    assert "<code>not_null</code>" in page.content.decode()


def test_a_foreign_dataset_is_as_unknown_as_none(alice_client, globex, acme):
    assert alice_client.get(f"{DATASETS}{DatasetFactory(organization=globex).pk}/").status_code == 404


def test_hostile_names_stay_text(alice_client, acme):
    dataset = DatasetFactory(organization=acme, name=HOSTILE, namespace=HOSTILE, description=HOSTILE, tags=["pii"])
    DatasetColumnFactory(organization=acme, dataset=dataset, name=HOSTILE, type=HOSTILE)
    check = CheckFactory(organization=acme, dataset=dataset, check_id=HOSTILE, pipeline=make_pipeline(acme, HOSTILE))
    CheckResultFactory(organization=acme, check_rule=check, value=HOSTILE, threshold=HOSTILE, message=HOSTILE)
    ConnectionFactory(organization=acme, description=HOSTILE, config={"host": HOSTILE})
    for address in (DATASETS, f"{DATASETS}{dataset.pk}/", CHECKS, CONNECTIONS, f"{DATASETS}?q=%3Cscript%3Ealert"):
        assert "<script>alert" not in alice_client.get(address).content.decode()


def test_checks_that_fail_come_first(alice_client, acme):
    CheckFactory(organization=acme, check_id="a_passes", last_status="pass", last_executed_at=timezone.now())
    CheckFactory(organization=acme, check_id="b_warns", severity="warn", failing_since=timezone.now())
    CheckFactory(organization=acme, check_id="c_fails", failing_since=timezone.now())
    CheckFactory(organization=acme, check_id="d_ended", failing_since=timezone.now(), ended_at=timezone.now())
    page = alice_client.get(CHECKS)
    assert [row.check.check_id for row in page.context["rows"]] == ["c_fails", "b_warns", "a_passes"]
    failing = alice_client.get(f"{CHECKS}?state=failing").context["rows"]
    assert [row.check.check_id for row in failing] == ["c_fails", "b_warns"]
    assert [row.check.check_id for row in alice_client.get(f"{CHECKS}?q=PASS").context["rows"]] == ["a_passes"]
    assert page.context["nav_counts"]["checks_failing"] == 2


def test_connections_show_where_they_lead_but_no_secret(alice_client, acme):
    ConnectionFactory(organization=acme, slug="pg-raw", config={"host": "db.example.com", "password": "hunter2"})
    pipeline = make_pipeline(acme, "orders_sync")
    spec = {"sources": [{"connection_ref": "pg-raw"}, {"connection_ref": "pg-raw"}]}
    version = PipelineVersionFactory(organization=acme, pipeline=pipeline, spec=spec)
    with tenant_scope(acme):
        pipeline.current_version = version
        pipeline.save()
    page = alice_client.get(CONNECTIONS)
    assert [(row["connection"].slug, row["place"], row["pipeline_count"]) for row in page.context["rows"]] == [
        ("pg-raw", "db.example.com", 1)
    ]
    assert "hunter2" not in page.content.decode()


@pytest.mark.parametrize("address", [DATASETS, CHECKS, CONNECTIONS])
def test_an_empty_list_teaches_the_next_step(alice_client, address):
    assert 'class="empty"' in alice_client.get(address).content.decode()


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize(("address", "expected"), [(DATASETS, 13), (CHECKS, 12), (CONNECTIONS, 13)])
def test_lists_take_as_many_queries_for_one_row_as_for_forty(alice_client, acme, address, expected, count):
    # 1-6 session, person, memberships, the scope  7 the page  8… one query for each thing beside a row
    # (datasets: users, stores; checks: results; connections: secrets, users)  then 2 for the navigation, 2 at the end
    for number in range(count):
        make_full_pipeline(acme, f"pipeline_{number:02}")
        ConnectionFactory(organization=acme)
    alice_client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert alice_client.get(address).status_code == 200
    assert len(queries) == expected, [query["sql"][:100] for query in queries]
