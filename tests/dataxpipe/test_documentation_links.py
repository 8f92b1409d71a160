"""What the documentation points at is there."""

import re

import pytest
from django.conf import settings

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
PAGES = sorted(settings.BASE_DIR.glob("*.md")) + sorted((settings.BASE_DIR / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_the_readme_leads_to_every_page_of_the_documentation():
    linked = set(LINK.findall((settings.BASE_DIR / "README.md").read_text()))
    pages = {f"docs/{page.name}" for page in (settings.BASE_DIR / "docs").glob("*.md")}
    assert pages <= linked
