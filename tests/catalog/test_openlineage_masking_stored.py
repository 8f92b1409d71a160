"""No secret in an event reaches the database: not the inbox, not the facets, not the audit."""

from __future__ import annotations

from django.db import connection

from catalog.models import Facet
from catalog.services.lineage_events.inbox import document_of
from orgs import keys
from orgs.models import AuditEvent
from orgs.tenancy import tenant_scope
from tests.conftest import api_of
from tests.factories.openlineage import dataset, facet, run_event

LINEAGE = "/api/v1/lineage"


def everything_stored(organization):
    with tenant_scope(organization), connection.cursor() as cursor:
        cursor.execute("SELECT content::text FROM catalog_facet")
        texts = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT body FROM catalog_eventinbox")
        texts += [str(document_of(row[0])) for row in cursor.fetchall()]
        cursor.execute("SELECT row_to_json(a)::text FROM orgs_auditevent a")
        texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)


def test_values_under_secret_keys_are_masked(api, acme):
    api.post(LINEAGE, run_event(run_facets={"env": facet(vars={"DB_PASSWORD": "hunter2", "REGION": "eu"})}))
    stored = everything_stored(acme)
    assert "hunter2" not in stored
    assert "REGION" in stored
    with tenant_scope(acme):
        assert Facet.objects.get().content["vars"]["DB_PASSWORD"] == "***"


def test_passwords_in_urls_are_masked(api, acme):
    source = facet(name="db", uri="postgres://etl:hunter2@db:5432/shop")
    api.post(LINEAGE, run_event("COMPLETE", inputs=[dataset("postgres://db:5432", "a", dataSource=source)]))
    assert "hunter2" not in everything_stored(acme)


def test_a_key_of_ours_is_masked_and_audited_once_an_hour(api, acme):
    leaked = api_of(acme).api_key
    for _ in range(2):
        api.post(LINEAGE, run_event(run_facets={"env": facet(note=f"key {leaked.text} end")}))
    assert leaked.text not in everything_stored(acme)
    with tenant_scope(acme):
        event = AuditEvent.objects.get(action="api_key.leaked")
        assert (event.target_id, event.after) == (str(leaked.pk), {"event_pointer": "/run/facets/env/note"})


def test_a_key_of_somebody_else_is_masked_and_no_more_is_said(api, acme, globex):
    for text in (api_of(globex).api_key.text, keys.generate().text):
        assert api.post(LINEAGE, run_event(run_facets={"env": facet(note=text)})).status_code == 201
        assert text not in everything_stored(acme)
    with tenant_scope(acme):
        assert not AuditEvent.objects.filter(action="api_key.leaked").exists()


def test_sql_that_is_not_to_be_stored_is_nowhere(api, acme):
    acme.settings = {"store_sql": "no", "store_source_code": "no"}
    acme.save()
    facets = {"sql": facet(query="select card_number"), "sourceCode": facet(language="py", sourceCode="card_number")}
    api.post(LINEAGE, run_event(job_facets=facets))
    assert "card_number" not in everything_stored(acme)
