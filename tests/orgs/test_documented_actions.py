import re
from pathlib import Path

from orgs.audit import Action
from orgs.permissions import PRESETS, SCOPES
from orgs.platform_audit import PlatformAction

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_action_is_explained_and_no_other():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| \S", (DOCS / "audit.md").read_text(), re.MULTILINE)
    assert rows == [action.value for action in Action]


def test_every_scope_and_preset_is_explained():
    text = (DOCS / "api-keys.md").read_text()
    assert re.findall(r"^\| `([a-z]+:[a-z]+)` \|", text, re.MULTILINE) == list(SCOPES)
    assert all(f"*{preset.capitalize()}*" in text or f"*{preset.upper()}*" in text for preset in PRESETS)


def test_every_act_of_operators_is_explained_and_no_other():
    rows = re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| \S", (DOCS / "platform.md").read_text(), re.MULTILINE)
    assert rows == [action.value for action in PlatformAction]
