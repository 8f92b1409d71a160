"""No secret reaches the database, and lineage survives the masking."""

from __future__ import annotations

import copy
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.openlineage.masking import MASK, Finding, mask, redact_sources
from tests.factories.openlineage import (
    airflow_dag_event,
    airflow_task_event,
    dbt_model_event,
    facet,
    run_event,
    spark_action_event,
)

API_KEY = "dxp_" + "4kZ9" * 12 + "a"


@pytest.mark.parametrize(
    "document", [airflow_dag_event(), airflow_task_event(), dbt_model_event(), spark_action_event()]
)
def test_an_event_without_secrets_is_the_same_object(document):
    masked, found = mask(document)
    assert masked is document
    assert found == ()


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "DB_PASSWORD",
        "passwd",
        "clientSecret",
        "accessToken",
        "apikey",
        "api_key",
        "X-API-Key",
        "Authorization",
    ],
)
def test_values_under_keys_that_speak_of_secrets_are_masked(key):
    document = run_event(run_facets={"acme": facet(conf=[{"deep": {key: "hunter2", "host": "db"}}])})
    before = copy.deepcopy(document)
    masked, found = mask(document)

    assert masked["run"]["facets"]["acme"]["conf"] == [{"deep": {key: MASK, "host": "db"}}]
    assert found == (Finding(f"/run/facets/acme/conf/0/deep/{key}", "key"),)
    assert document == before


def test_a_whole_object_under_such_a_key_is_masked_and_keeps_its_shape():
    masked, found = mask({"secrets": {"a": "x", "b": [1, None, True, ""]}})
    assert masked == {"secrets": {"a": MASK, "b": [MASK, None, True, ""]}}
    assert [finding.pointer for finding in found] == ["/secrets/a", "/secrets/b/0"]


def test_the_value_beside_a_name_that_speaks_of_secrets_is_masked():
    variables = [{"name": "PGPASSWORD", "value": "hunter2"}, {"name": "PGHOST", "value": "db"}]
    masked, _ = mask({"environmentVariables": variables})
    assert masked["environmentVariables"] == [{"name": "PGPASSWORD", "value": MASK}, variables[1]]


def test_our_own_api_keys_are_found_in_any_text_and_can_be_told_by_their_hash():
    masked, found = mask({"sourceCode": f"curl -H 'X-Header: {API_KEY}'", "labels": {API_KEY: 1}})
    assert masked == {"sourceCode": f"curl -H 'X-Header: {MASK}'", "labels": {MASK: 1}}
    digest = hashlib.sha256(API_KEY.encode()).digest()
    assert found == (
        Finding("/sourceCode", "api_key", digest),
        Finding(f"/labels/{MASK}", "api_key", digest),
    )


def test_an_api_key_under_a_key_of_secrets_is_found_as_such():
    _, (finding,) = mask({"token": f"Bearer {API_KEY}"})
    assert finding.kind == "api_key"


@pytest.mark.parametrize("text", ["dxp_short", "dxp_" + "x" * 48, "dxp"])
def test_what_only_begins_like_an_api_key_stays(text):
    assert mask({"a": text}) == ({"a": text}, ())


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://etl:hunter2@db:5432/shop", "postgres://etl:***@db:5432/shop"),
        ("see mysql://a:p@ss@db/x and http://b:c@d", "see mysql://a:***@db/x and http://b:***@d"),
        ("jdbc:postgresql://db/shop?user=etl&password=hunter2", "jdbc:postgresql://db/shop?user=etl&password=***"),
        (
            "jdbc:sqlserver://db:1433;user=etl;Password=hunter2;x=1",
            "jdbc:sqlserver://db:1433;user=etl;Password=***;x=1",
        ),
        ("jdbc:oracle:thin:etl/hunter2@db:1521/XE", "jdbc:oracle:thin:etl/***@db:1521/XE"),
        ("https://host/x?access_token=abc", "https://host/x?access_token=***"),
    ],
)
def test_passwords_in_urls_and_jdbc_strings_are_masked(text, masked):
    assert mask({"a": text}) == ({"a": masked}, (Finding("/a", "url"),))


@pytest.mark.parametrize(
    "text",
    ["abfss://container@account.dfs.core.windows.net", "https://host/a:b@c", "select password from users", "a@b.test"],
)
def test_addresses_without_a_password_stay(text):
    assert mask({"a": text}) == ({"a": text}, ())


def test_columns_and_tasks_may_be_called_like_secrets():
    lineage = facet(fields={"password_hash": {"inputFields": [{"namespace": "n", "name": "t", "field": "token"}]}})
    document = {
        "columnLineage": lineage,
        "dataQualityMetrics": facet(columnMetrics={"token_count": {"nullCount": 3}}),
        "airflow": facet(tasks={"refresh_token": {"operator": "X"}}, taskTree={"refresh_token": {}}),
        "airflowState": facet(dagRunState="success", tasksState={"refresh_token": "success"}),
        "schema": facet(fields=[{"name": "password", "type": "text"}]),
        "tags": facet(tags=[{"key": "secret", "value": "true"}]),
    }
    assert mask(document) == (document, ())


def test_a_secret_below_a_column_is_still_one():
    masked, _ = mask({"columnLineage": {"fields": {"password": {"apiKey": "x"}}}})
    assert masked == {"columnLineage": {"fields": {"password": {"apiKey": MASK}}}}


def test_pointers_escape_what_json_pointers_escape():
    _, (finding,) = mask({"a/b~c": {"password": "x"}})
    assert finding.pointer == "/a~1b~0c/password"


def test_masking_a_masked_event_finds_nothing():
    document = {"password": "x", "url": "postgres://a:b@c", "key": API_KEY, "q": "http://h/?token=x"}
    masked, found = mask(document)
    assert len(found) == 4
    assert mask(masked) == (masked, ())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("secret-value"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["password", "a", "name", "value", "fields"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(json_values)
def test_masking_twice_is_masking_once(document):
    masked, _ = mask(document)
    assert mask(masked) == (masked, ())


@given(st.recursive(st.just("hunter2"), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nothing_below_a_password_survives(value):
    assert "hunter2" not in str(mask({"x": [{"password": value}]})[0].__repr__())


@pytest.mark.parametrize(
    "text",
    [
        "://" + "a" * 300_000,
        "://a:" + "b" * 300_000,
        "://a:" * 60_000,
        "://?" + "token" * 60_000,
        "jdbc:oracle:thin:" + "a" * 300_000,
        "jdbc:oracle:" * 25_000,
        "dxp_" * 75_000,
        "password" * 40_000,
    ],
)
def test_long_texts_are_searched_in_linear_time(text):
    before = time.process_time()
    mask({"a": text, text: 1})
    assert time.process_time() - before < 2


def test_sql_is_removed_where_an_organization_keeps_it_to_itself():
    document = dbt_model_event(
        run_facets={"test": facet(tests=[{"name": "t", "status": "pass", "content": "select 1"}, 7])}
    )
    assertions = facet(assertions=[{"assertion": "custom_sql", "success": True, "content": "select 2"}])
    document["inputs"][0]["inputFacets"] = {"dataQualityAssertions": assertions}
    before = copy.deepcopy(document)
    redacted = redact_sources(document, store_sql=False, store_source_code=True)

    assert "select" not in str(redacted)
    assert set(redacted["job"]["facets"]) == {"jobType", "dbt_node"}
    assert redacted["run"]["facets"]["test"]["tests"] == [{"name": "t", "status": "pass"}, 7]
    assert document == before


def test_source_code_is_removed_where_an_organization_keeps_it_to_itself():
    document = airflow_task_event(
        job_facets={"sourceCode": facet(language="bash", sourceCode="exit 0"), "sql": facet(query="select 1")},
        run_facets={"unknownSourceAttribute": facet(unknownItems=[{"bash_command": "exit 0"}])},
    )
    redacted = redact_sources(document, store_sql=True, store_source_code=False)
    assert "exit 0" not in str(redacted)
    assert redacted["job"]["facets"]["sql"]["query"] == "select 1"


def test_with_both_allowed_the_event_is_untouched():
    document = dbt_model_event()
    assert redact_sources(document, store_sql=True, store_source_code=True) is document


@given(json_values, json_values, json_values)
def test_redacting_never_fails_on_odd_events(run, job, inputs):
    document = {"run": run, "job": {"facets": job}, "inputs": inputs}
    assert set(redact_sources(document, store_sql=False, store_source_code=False)) == set(document)
