"""Once a day the head of the chain is signed, and anybody with the public key can check an export."""

import json
import re

import pytest
from django.db import transaction

from dataxpipe.command_line import main
from orgs import audit, due
from orgs.actors import Actor
from orgs.audit import Action
from orgs.audit_trail import public_keys, verify_trail
from orgs.models import AuditAnchor, AuditPerson, Due
from orgs.services.audit import seal_pending, verify_chain
from orgs.services.audit_anchors import anchor_chain
from orgs.services.audit_export import export_audit
from orgs.tenancy import tenant_scope
from tests.conftest import api_of

ALICE = Actor(kind="person", id="1", label="alice", ip_address="192.0.2.1", user_agent="Firefox")
pytestmark = pytest.mark.django_db


def remember(organization, count=3):
    with tenant_scope(organization):
        for number in range(count):
            audit.record(Action.ORGANIZATION_UPDATED, ALICE, target=organization, after={"name": f"Ä{number}"})
        seal_pending()


def anchor(organization):
    with tenant_scope(organization):
        return anchor_chain()


def verified(organization):
    with tenant_scope(organization):
        return verify_chain()


def exported(organization):
    with tenant_scope(organization):
        chunks = export_audit(actor=ALICE)
    return b"".join(chunks).decode().splitlines()


def keys_of(client):
    return public_keys(client.get("/.well-known/audit-keys.json").content.decode())


def test_an_anchor_signs_what_was_sealed_since_the_last_one(acme):
    remember(acme)
    assert anchor(acme).sequence == 3
    assert anchor(acme) is None
    remember(acme, 2)
    assert anchor(acme).sequence == 5
    assert (verified(acme).is_intact, verified(acme).anchored) == (True, 5)


def test_the_worker_anchors_a_day_after_something_was_sealed(acme):
    remember(acme)
    assert Due.objects.filter(organization=acme, kind=due.ANCHOR_AUDIT).count() == 1
    assert due.handler_of(due.ANCHOR_AUDIT) is anchor_chain


def test_a_chain_cut_short_behind_its_last_anchor_is_found(acme):
    remember(acme)
    anchor(acme)
    with tenant_scope(acme):
        # What an owner of the tables could do to the end of the chain, which the anchor remembers.
        AuditAnchor.objects.bulk_create([_moved(AuditAnchor.objects.get(), 4)])
    assert (verified(acme).bad_sequence, verified(acme).reason) == (4, "the entry is missing")


def _moved(anchor, sequence):
    return AuditAnchor(
        sequence=sequence,
        link=anchor.link,
        anchored_at=anchor.anchored_at,
        key_id=anchor.key_id,
        signature=anchor.signature,
    )


def test_anchors_cannot_be_changed(acme):
    remember(acme)
    anchor(acme)
    with tenant_scope(acme), pytest.raises(Exception, match="permission denied"), transaction.atomic():
        AuditAnchor.objects.update(sequence=1)


def test_an_export_is_checked_with_the_public_key_alone(acme, client, tmp_path, capsys):
    remember(acme)
    anchor(acme)
    remember(acme, 2)
    trail, keys = tmp_path / "audit.ndjson", tmp_path / "keys.json"
    trail.write_text("\n".join(exported(acme)))
    keys.write_bytes(client.get("/.well-known/audit-keys.json").content)
    assert main(["audit", str(trail), "--keys", str(keys)]) == 0
    assert "6 entries fit, 6 of them are signed (2 anchors)" in capsys.readouterr().out


def test_one_anchor_is_one(acme, client, tmp_path, capsys):
    remember(acme)
    trail, keys = tmp_path / "audit.ndjson", tmp_path / "keys.json"
    trail.write_text("\n".join(exported(acme)))
    keys.write_bytes(client.get("/.well-known/audit-keys.json").content)
    assert main(["audit", str(trail), "--keys", str(keys)]) == 0
    assert "(1 anchor)" in capsys.readouterr().out


def test_it_says_itself_that_it_was_taken(acme):
    assert [json.loads(line)["action"] for line in exported(acme) if '"entry"' in line] == ["audit.exported"]


def test_erased_people_do_not_break_an_export(acme, client):
    remember(acme)
    with tenant_scope(acme):
        AuditPerson.objects.all().delete()
    report = verify_trail(exported(acme), keys_of(client))
    assert (report.is_intact, report.is_complete, report.erased_people) == (True, True, 3)


def edited(lines, line, old, new):
    assert old in lines[line]
    return [*lines[:line], lines[line].replace(old, new), *lines[line + 1 :]]


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        pytest.param(lambda lines: edited(lines, 2, "Ä1", "Ä9"), 2, id="edited"),
        pytest.param(lambda lines: edited(lines, 2, "192.0.2.1", "192.0.2.9"), 2, id="other address"),
        pytest.param(lambda lines: [*lines[:2], *lines[3:]], 2, id="deleted"),
        pytest.param(lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 2, id="swapped"),
        pytest.param(lambda lines: [*lines[:3], lines[1], *lines[3:]], 3, id="copied"),
        pytest.param(lambda lines: lines[:4], 4, id="truncated"),
        pytest.param(lambda lines: [*lines[:3], lines[-1]], 3, id="cut out of the middle"),
    ],
)
def test_a_changed_export_is_found_at_the_right_entry(acme, client, change, bad):
    remember(acme)
    report = verify_trail(change(exported(acme)), keys_of(client))
    assert report.bad_sequence == bad


def test_links_that_were_made_anew_do_not_have_the_signature(acme, client):
    from orgs import audit_trail

    remember(acme)
    lines = [json.loads(line) for line in edited(exported(acme), 2, "Ä1", "Ä9")]
    previous = audit_trail.NOTHING_BEFORE
    for line in lines:
        if line["type"] == "entry":
            previous = audit_trail.link(previous, line)
            line["link"] = previous.hex()
    report = verify_trail([json.dumps(line) for line in lines], keys_of(client))
    assert (report.bad_sequence, report.reason) == (1, "an entry up to 4 is not what was anchored")


def test_another_organizations_anchor_does_not_fit(acme, globex, client):
    for organization in (acme, globex):
        remember(organization)
    theirs = next(line for line in exported(globex) if '"anchor"' in line)
    lines = [theirs if '"anchor"' in line else line for line in exported(acme)]
    assert verify_trail(lines, keys_of(client)).reason == "an anchor belongs to another place"


def test_a_key_that_is_not_among_those_given_proves_nothing(acme):
    remember(acme)
    report = verify_trail(exported(acme), {})
    assert re.search("the public key .* is not among those given", report.reason)


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"type": "entry"}', '{"type": "export"}'])
def test_text_that_is_no_export_is_told(tmp_path, capsys, client, text):
    trail, keys = tmp_path / "audit.ndjson", tmp_path / "keys.json"
    trail.write_text(text)
    keys.write_bytes(client.get("/.well-known/audit-keys.json").content)
    assert main(["audit", str(trail), "--keys", str(keys)]) == 2
    assert capsys.readouterr().err.startswith("dataxpipe: ")


def test_the_api_exports_the_same(acme):
    remember(acme)
    response = api_of(acme, scopes=["organization:read"]).get("/api/v1/audit-events/export")
    lines = [json.loads(line) for line in response.getvalue().decode().splitlines()]
    assert (response.status_code, response["Content-Type"]) == (200, "application/x-ndjson")
    assert [line["type"] for line in lines] == ["export", *["entry"] * 4, "anchor", "end"]
