import re

from orgs import audit
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import ApiKey
from orgs.services.key_uses import Caller, record_use
from orgs.tenancy import tenant_scope
from tests.conftest import ApiClient
from tests.factories import ApiKeyFactory, PipelineFactory

URL = "/o/acme/start/"


def arrive(organization, name="orders_sync"):
    pipeline = PipelineFactory(organization=organization, name=name)
    with tenant_scope(organization):
        audit.record(Action.PIPELINE_REGISTERED, Actor.system("test"), target=pipeline, target_label=name)
    return pipeline


def test_it_carries_the_values_of_the_organization(alice_client):
    text = alice_client.get(URL).content.decode()
    assert "http://localhost:8000/api/v1/pipelines/" in text
    assert "owner: alice@acme.example" in text
    assert "namespace = acme-airflow" in text
    assert "${{ secrets.DXP_KEY }}" in text


def test_a_key_is_made_and_stands_in_one_answer_only(alice_client, acme):
    response = alice_client.post(URL)
    text = re.search(r"dxp_[0-9A-Za-z]{49}", response.content.decode())[0]
    assert "no-store" in response["Cache-Control"]
    assert ApiClient(text).get("/api/v1/organizations/me").json()["slug"] == "acme"
    assert text not in alice_client.get(URL).content.decode()
    api_key = ApiKey.objects.get()
    assert (api_key.created_by.email, api_key.scopes) == (
        "alice@acme.example",
        ["catalog:read", "plan:read", "ingest:write", "catalog:write"],
    )


def test_who_may_not_make_keys_is_told_who_may(vera_client):
    assert "made by an owner or admin" in vera_client.get(URL).content.decode()
    assert vera_client.post(URL).status_code == 403
    assert not ApiKey.objects.exists()


def test_it_asks_again_until_a_pipeline_has_arrived(alice_client, acme):
    waiting = alice_client.get(URL + "arrivals").content.decode()
    assert 'hx-trigger="every 2s"' in waiting
    assert "Waiting for the first pipeline" in waiting
    pipeline = arrive(acme)
    arrived = alice_client.get(URL + "arrivals", headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in arrived
    assert f"/o/acme/pipelines/{pipeline.pk}/" in arrived
    assert 'id="mark-2"' in arrived


def test_without_javascript_the_page_itself_shows_what_arrived(alice_client, acme):
    arrive(acme)
    text = alice_client.get(URL).content.decode()
    assert "orders_sync" in text
    assert text.count('id="mark-2"') == 1


def test_another_organizations_pipelines_do_not_arrive_here(alice_client, globex):
    arrive(globex, name="their_secret_pipeline")
    assert "their_secret_pipeline" not in alice_client.get(URL).content.decode()


def test_a_key_that_brought_nothing_is_named(alice_client, acme, globex):
    record_use(api_key=ApiKeyFactory(organization=globex), caller=Caller(producer="theirs/1"))
    assert "theirs/1" not in alice_client.get(URL).content.decode()
    record_use(api_key=ApiKeyFactory(organization=acme), caller=Caller(producer="curl/8", ip_address="192.0.2.1"))
    text = alice_client.get(URL).content.decode()
    assert "curl/8 from 192.0.2.1" in " ".join(text.split())


def test_a_pipelines_name_is_text(alice_client, acme):
    arrive(acme, name="<script>alert(1)</script>")
    assert "<script>alert" not in alice_client.get(URL).content.decode()
