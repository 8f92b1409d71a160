"""`dataxpipe limits` in CI: what it prints, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataxpipe.command_line import main
from tests.conftest import api_of
from tests.factories import OrganizationFactory
from tests.factories.rows import PipelineFactory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def initech(transactional_db, live_server, monkeypatch):
    """An organization on Free with two of three pipelines, and the environment of its CI."""
    organization = OrganizationFactory(slug="initech", plan_name="free")
    PipelineFactory.create_batch(2, organization=organization)
    monkeypatch.setenv("DATAXPIPE_URL", f"{live_server.url}/")
    monkeypatch.setenv("DATAXPIPE_API_KEY", api_of(organization, scopes=["plan:read"]).api_key.text)
    return organization


def test_what_fits_exits_0(initech, capsys):
    assert main(["limits", "--adding-pipelines", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Plan: free",
        "",
        "             limit  used  adding",
        "connections      2     0       0  fits",
        "pipelines        3     2       1  fits",
    ]


def test_what_does_not_fit_exits_1_and_says_where_to_upgrade(initech, capsys, live_server):
    assert main(["limits", "--adding-pipelines", "2", "--adding-connections", "1"]) == 1
    printed = capsys.readouterr().out
    assert "pipelines        3     2       2  does not fit" in printed
    assert printed.endswith(f"larger plan: {live_server.url}/o/initech/settings/billing/\n")


def test_json_is_the_answer_of_the_server(initech, capsys):
    assert main(["limits", "--adding-pipelines", "2", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["plan"], answer["fits"]) == ("free", False)
    assert {"resource": "pipelines", "limit": 3, "used": 2, "adding": 2, "fits": False}.items() <= answer["resources"][
        1
    ].items()


def test_a_refused_key_exits_2_in_the_words_of_the_server(initech, capsys, monkeypatch):
    monkeypatch.setenv("DATAXPIPE_API_KEY", "dxp_wrong")
    assert main(["limits"]) == 2
    assert "(401)" in capsys.readouterr().err


def test_a_number_out_of_range_exits_2(initech, capsys):
    assert main(["limits", "--adding-pipelines", "-1"]) == 2
    assert "adding_pipelines is out of range" in capsys.readouterr().err


def test_an_address_of_something_else_exits_2(initech, capsys, live_server):
    assert main(["limits", "--url", f"{live_server.url}/nothing-here"]) == 2
    assert "404 Not Found" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({}, "Set DATAXPIPE_URL"),
        ({"DATAXPIPE_URL": "https://catalog.example.com"}, "Set DATAXPIPE_API_KEY"),
        ({"DATAXPIPE_URL": "file:///etc", "DATAXPIPE_API_KEY": "dxp_x"}, "begin with https://"),
        ({"DATAXPIPE_URL": "http://127.0.0.1:1", "DATAXPIPE_API_KEY": "dxp_x\nHost: elsewhere"}, "is no API key"),
        ({"DATAXPIPE_URL": "http://127.0.0.1:1", "DATAXPIPE_API_KEY": "dxp_x"}, "cannot be reached"),
    ],
    ids=["no_url", "no_key", "no_http", "two_lines", "nobody_there"],
)
def test_a_question_that_cannot_be_asked_exits_2_and_says_why(variables, reason, capsys, monkeypatch):
    for name in ("DATAXPIPE_URL", "DATAXPIPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["limits"]) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["limits", "--adding-pipelines", "many"]], ids=str)
def test_bad_usage_exits_2(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2


def test_the_command_starts_without_django_and_what_else_the_server_needs():
    unwanted = "{'django', 'rest_framework', 'orgs.models'}"
    code = f"import sys, dataxpipe.command_line; print(sorted({unwanted} & set(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
