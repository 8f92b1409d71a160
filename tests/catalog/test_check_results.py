"""`POST /checks/results`, and what results do to runs, checks and datasets."""

import datetime
import itertools

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Check, CheckResult, Dataset, DatasetAlias, Run
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories import CheckFactory, CheckResultFactory, DatasetFactory, PipelineFactory, RunFactory

URL = "/api/v1/checks/results"
SHAPE = {
    "id", "check", "pipeline", "run_id", "dataset", "status", "severity", "executed_at", "rows_checked",
    "rows_failed", "value", "threshold", "message", "created",
}  # fmt: skip


@pytest.fixture
def pipeline(acme):
    return PipelineFactory(organization=acme, name="orders_sync", schedule=None)


@pytest.fixture
def dataset(acme, pipeline):
    dataset = DatasetFactory(organization=acme, name="analytics.orders")
    with tenant_scope(acme):
        DatasetAlias.objects.create(pipeline=pipeline, alias="clean_orders", dataset=dataset)
    return dataset


def result(**values):
    return {"pipeline_id": "orders_sync", "check_id": "not_null", "status": "pass"} | values


def when(minute):
    return f"2026-03-01T06:{minute:02}:00Z"


def count(organization, model):
    with tenant_scope(organization):
        return model.objects.count()


def one(organization, model, **values):
    with tenant_scope(organization):
        return model.objects.get(**values)


def test_a_new_result_is_201_with_the_whole_shape(api, pipeline, dataset, acme):
    response = api.post(
        URL,
        result(
            status="fail", severity="warn", dataset="clean_orders", executed_at=when(5), rows_checked=100,
            rows_failed=3, value=0.03, threshold="< 0.01", message="3 of 100",
        ),
    )  # fmt: skip
    assert response.status_code == 201
    answer = response.json()
    assert set(answer) == SHAPE
    assert answer["check"]["check_id"] == "not_null"
    assert answer["dataset"] == {"id": str(dataset.id), "namespace": dataset.namespace, "name": "analytics.orders"}
    assert (answer["value"], answer["threshold"], answer["run_id"]) == ("0.03", "< 0.01", None)
    assert answer["created"] is True


def test_an_undeclared_check_appears_as_posted(api, acme, pipeline):
    api.post(URL, result())
    check = one(acme, Check)
    assert (check.check_id, check.origin, check.severity, check.last_status) == ("not_null", "posted", "error", "pass")


def test_a_declared_check_is_met_and_keeps_its_severity(api, acme, pipeline, dataset):
    CheckFactory(organization=acme, pipeline=pipeline, check_id="not_null", severity="warn", dataset=dataset)
    answer = api.post(URL, result(severity="error")).json()
    assert (answer["severity"], answer["dataset"]["id"]) == ("warn", str(dataset.id))
    assert count(acme, Check) == 1


@pytest.mark.parametrize("values", [{"run_id": "daily"}, {"executed_at": when(5)}])
def test_a_repeat_is_200_and_changes_nothing(api, acme, pipeline, values):
    first, second = (api.post(URL, result(**values)) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == first.json() | {"created": False}
    assert count(acme, CheckResult) == 1


def test_many_results_are_answered_in_their_order(api, acme, pipeline):
    results = [result(check_id=f"c{n}", executed_at=when(n)) for n in (3, 1, 2, 1)]
    response = api.post(URL, results)
    assert response.status_code == 201
    answers = response.json()["results"]
    assert [answer["check"]["check_id"] for answer in answers] == ["c3", "c1", "c2", "c1"]
    assert [answer["created"] for answer in answers] == [True, True, True, False]
    assert api.post(URL, results).status_code == 200


def test_a_thousand_results_take_as_many_statements_as_ten(api, pipeline, dataset):
    counts = []
    for size in (10, 1000):
        results = [
            result(check_id=f"{size}-{n}", run_id=f"r{n % 7}", dataset="clean_orders", status="fail")
            for n in range(size)
        ]
        with CaptureQueriesContext(connection) as queries:
            assert api.post(URL, results).status_code == 201
        counts.append(len(queries))
    assert counts[1] <= counts[0]


def test_an_error_check_that_fails_makes_its_run_fail_in_any_order(api, acme, pipeline):
    posts = [
        lambda run: api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": run, "status": "running"}),
        lambda run: api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": run, "status": "success"}),
        lambda run: api.post(URL, result(run_id=run, status="fail")),
    ]
    for number, order in enumerate(itertools.permutations(posts)):
        for post in order:
            assert post(f"r{number}").status_code < 300
        run = api.get(f"/api/v1/runs/?run_id=r{number}").json()["results"][0]
        assert (run["status"], run["cause"], run["reported_status"]) == ("failed", "check", "success")


def test_a_later_pass_for_the_same_run_restores_it(api, pipeline):
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "daily", "status": "success"})
    failed, passed = ({"run_id": "daily", "status": s, "executed_at": when(m)} for s, m in (("fail", 1), ("pass", 2)))
    api.post(URL, result(**failed))
    answer = api.post(URL, result(**passed))
    assert (answer.status_code, answer.json()["status"]) == (200, "pass")
    api.post(URL, result(**failed))
    run = api.get("/api/v1/runs/?run_id=daily").json()["results"][0]
    assert (run["status"], run["cause"]) == ("success", None)


@pytest.mark.parametrize("values", [{"severity": "warn", "status": "fail"}, {"status": "skipped"}])
def test_warnings_and_skipped_checks_fail_no_run(api, pipeline, values):
    api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "daily", "status": "success"})
    api.post(URL, result(run_id="daily", **values))
    assert api.get("/api/v1/runs/?run_id=daily").json()["results"][0]["status"] == "success"


def test_a_skipped_check_does_not_restore_a_run(api, pipeline):
    api.post(URL, result(run_id="daily", status="error", executed_at=when(1)))
    api.post(URL, result(run_id="daily", status="skipped", executed_at=when(2)))
    assert api.get("/api/v1/runs/?run_id=daily").json()["results"][0]["status"] == "failed"


def test_a_result_without_run_touches_the_dataset_and_no_run(api, acme, pipeline, dataset):
    RunFactory(organization=acme, pipeline=pipeline)
    api.post(URL, result(status="fail", dataset="clean_orders"))
    assert one(acme, Dataset).failing_check_count == 1
    assert one(acme, Run).status == "success"


def test_the_run_of_a_result_that_nobody_reported_is_created_by_its_own_report(api, pipeline):
    run_id = api.post(URL, result(run_id="daily")).json()["run_id"]
    report = api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "daily", "status": "success"})
    assert (report.status_code, report.json()["id"]) == (201, run_id)


def test_a_check_fails_since_its_first_failure_after_the_last_pass(api, acme, pipeline, dataset):
    statuses = [(1, "fail"), (2, "pass"), (3, "error"), (4, "skipped"), (5, "fail")]
    for order in itertools.islice(itertools.permutations(statuses), 0, 120, 11):
        for minute, status in order:
            api.post(URL, result(check_id=str(order), status=status, executed_at=when(minute), dataset="clean_orders"))
        check = one(acme, Check, check_id=str(order))
        assert (check.last_status, check.failing_since.minute, check.last_executed_at.minute) == ("fail", 3, 5)


def test_a_dataset_counts_its_failing_error_checks(api, acme, pipeline, dataset):
    def post(check_id, status, minute, **values):
        api.post(
            URL, result(check_id=check_id, status=status, executed_at=when(minute), dataset="clean_orders", **values)
        )
        return one(acme, Dataset).failing_check_count

    assert post("a", "fail", 1) == 1
    assert post("b", "error", 1) == 2
    assert post("c", "fail", 1, severity="warn") == 2
    assert post("a", "pass", 2) == 1
    assert post("c", "fail", 3, severity="error") == 2
    assert post("b", "skipped", 4) == 2


def test_results_of_backfills_say_nothing_of_the_dataset(api, acme, pipeline, dataset):
    def post_run(**values):
        api.post("/api/v1/runs/", {"pipeline_id": "orders_sync", "run_id": "old", "status": "success"} | values)

    api.post(URL, result(status="fail", run_id="old", dataset="clean_orders"))
    assert one(acme, Dataset).failing_check_count == 1
    post_run(trigger="backfill")
    assert one(acme, Dataset).failing_check_count == 0
    assert (one(acme, Run).status, one(acme, Check).failing_since) == ("failed", None)


@pytest.mark.parametrize("spelling", ["id", "alias", "name", "path", "object"])
def test_a_dataset_is_named_in_many_ways(api, acme, pipeline, dataset, spelling):
    named = {
        "id": str(dataset.id),
        "alias": "clean_orders",
        "name": "analytics.orders",
        "path": f"{dataset.namespace}/analytics.orders",
        "object": {"namespace": dataset.namespace, "name": "analytics.orders"},
    }
    assert api.post(URL, result(dataset=named[spelling])).json()["dataset"]["id"] == str(dataset.id)


def test_the_pipelines_own_alias_goes_before_those_of_others(api, acme, pipeline, dataset):
    other = PipelineFactory(organization=acme)
    elsewhere = DatasetFactory(organization=acme)
    with tenant_scope(acme):
        DatasetAlias.objects.create(pipeline=other, alias="clean_orders", dataset=elsewhere)
    assert api.post(URL, result(dataset="clean_orders")).json()["dataset"]["id"] == str(dataset.id)


def test_an_alias_of_several_other_pipelines_is_409_with_the_candidates(api, acme, pipeline):
    datasets = [DatasetFactory(organization=acme) for _ in range(2)]
    with tenant_scope(acme):
        for dataset in datasets:
            DatasetAlias.objects.create(pipeline=PipelineFactory(organization=acme), alias="orders", dataset=dataset)
    response = api.post(URL, [result(), result(dataset="orders")])
    problem = response.json()
    assert (response.status_code, problem["type"]) == (409, "/problems/dataset-ambiguous")
    assert {candidate["id"] for candidate in problem["candidates"]} == {str(dataset.id) for dataset in datasets}
    assert problem["errors"][0]["pointer"] == "/1/dataset"
    assert count(acme, Check) == 0


def test_a_check_keeps_its_dataset(api, acme, pipeline, dataset):
    DatasetFactory(organization=acme, name="other")
    api.post(URL, result(dataset="clean_orders"))
    response = api.post(URL, result(dataset="other"))
    assert (response.status_code, response.json()["type"]) == (409, "/problems/check-of-another-dataset")


@pytest.mark.parametrize("dataset", ["nobody", "01900000-0000-7000-8000-000000000000", {"namespace": "a", "name": "b"}])
def test_an_unknown_dataset_is_404(api, pipeline, dataset):
    response = api.post(URL, result(dataset=dataset))
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (404, "/dataset")


def test_the_dataset_and_pipeline_of_another_organization_are_not_there(api, globex, pipeline):
    foreign = DatasetFactory(organization=globex, name="secret")
    other = PipelineFactory(organization=globex)
    assert api.post(URL, result(dataset=str(foreign.id))).status_code == 404
    assert api.post(URL, result(dataset="secret")).status_code == 404
    assert api.post(URL, result(pipeline_id=str(other.id))).status_code == 404


@pytest.mark.parametrize(
    ("values", "pointer"),
    [
        ({"status": "ok"}, "/status"),
        ({"status": 1}, "/status"),
        ({"severity": "fatal"}, "/severity"),
        ({"check_id": ""}, "/check_id"),
        ({"check_id": "x" * 501}, "/check_id"),
        ({"executed_at": "2026-03-01"}, "/executed_at"),
        ({"rows_failed": -1}, "/rows_failed"),
        ({"value": {"a": 1}}, "/value"),
        ({"value": True}, "/value"),
        ({"dataset": 5}, "/dataset"),
        ({"dataset": {"name": "orders"}}, "/dataset/namespace"),
        ({"dataset": {"namespace": "a", "name": "b", "c": 1}}, "/dataset/c"),
        ({"result": "pass"}, "/result"),
    ],
)
def test_bad_input_is_400_with_a_pointer_and_leaves_nothing(api, acme, pipeline, values, pointer):
    response = api.post(URL, [result(check_id="good", run_id="daily"), result(**values)])
    assert response.status_code == 400
    assert f"/1{pointer}" in {error["pointer"] for error in response.json()["errors"]}
    assert (count(acme, Check), count(acme, CheckResult), count(acme, Run)) == (0, 0, 0)


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"[5]", b"[null]"])
def test_a_body_that_holds_no_results_is_400(api, pipeline, body):
    assert api.post(URL, body).status_code == 400


def test_more_than_a_thousand_results_are_refused(api, pipeline):
    assert api.post(URL, [result()] * 1001).status_code == 400


def test_posting_needs_the_ingest_scope_and_its_namespace(acme, pipeline):
    assert api_of(acme, scopes=["catalog:read"]).post(URL, result()).status_code == 403
    refusal = api_of(acme, allowed_namespaces=["airflow"]).post(URL, result())
    assert (refusal.status_code, refusal.json()["type"]) == (403, "/problems/namespace-not-allowed")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a", "b", "c"]),
        ("pipeline=orders_sync", ["a", "b"]),
        ("namespace=airflow", ["c"]),
        ("status=fail", ["b"]),
        ("severity=warn", ["a"]),
    ],
)
def test_checks_are_listed_by_name_and_filtered(api, acme, pipeline, query, found):
    elsewhere = PipelineFactory(organization=acme, namespace="airflow")
    CheckFactory(organization=acme, pipeline=pipeline, check_id="a", severity="warn", last_status="pass")
    CheckFactory(organization=acme, pipeline=pipeline, check_id="b", last_status="fail")
    CheckFactory(organization=acme, pipeline=elsewhere, check_id="c")
    response = api.get(f"/api/v1/checks/?{query}")
    assert [check["check_id"] for check in response.json()["results"]] == found


def test_checks_and_results_of_a_dataset(api, acme, pipeline, dataset):
    check = CheckFactory(organization=acme, pipeline=pipeline, check_id="a", dataset=dataset)
    CheckResultFactory(organization=acme, check_rule=check, dataset=dataset)
    CheckResultFactory(organization=acme)
    for path in ("/api/v1/checks/", URL):
        assert len(api.get(f"{path}?dataset={dataset.id}").json()["results"]) == 1
        assert api.get(f"{path}?dataset=nobody").status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["b", "a", "c"]),
        ("pipeline=orders_sync", ["b", "a"]),
        ("check_id=a", ["a"]),
        ("status=fail", ["b"]),
        ("since=2026-03-01T06:02:00Z", ["b"]),
        ("until=2026-03-01T06:02:00Z", ["a", "c"]),
    ],
)
def test_results_are_listed_newest_first_and_filtered(api, acme, pipeline, query, found):
    minutes = {"a": 1, "b": 2, "c": 0}
    for name, minute in minutes.items():
        owner = pipeline if name != "c" else PipelineFactory(organization=acme)
        CheckResultFactory(
            organization=acme,
            check_rule=CheckFactory(organization=acme, pipeline=owner, check_id=name),
            executed_at=datetime.datetime(2026, 3, 1, 6, minute, tzinfo=datetime.UTC),
            status="fail" if name == "b" else "pass",
        )
    response = api.get(f"{URL}?{query}")
    assert [one["check"]["check_id"] for one in response.json()["results"]] == found


def test_the_checks_of_one_pipeline(api, acme, globex_api, pipeline):
    CheckFactory(organization=acme, pipeline=pipeline, check_id="mine")
    CheckFactory(organization=acme)
    found = api.get("/api/v1/pipelines/orders_sync/checks/").json()["results"]
    assert [check["check_id"] for check in found] == ["mine"]
    assert globex_api.get(f"/api/v1/pipelines/{pipeline.id}/checks/").status_code == 404


@pytest.mark.parametrize("path", [URL, "/api/v1/checks/", "/api/v1/pipelines/orders_sync/checks/"])
def test_a_page_costs_the_same_queries_for_1_and_for_50_rows(api, acme, pipeline, dataset, path):
    counts = []
    for missing in (1, 49):
        for number in range(missing):
            check = CheckFactory(organization=acme, pipeline=pipeline, dataset=dataset, check_id=f"{missing}-{number}")
            CheckResultFactory(organization=acme, check_rule=check, executed_at=timezone.now())
        with CaptureQueriesContext(connection) as queries:
            assert api.get(path).status_code == 200
        counts.append(len(queries))
    # key, its use, scope, (pipeline,) rows; savepoints and time-outs around them because a test is one transaction
    assert counts[1] <= counts[0] <= 11
