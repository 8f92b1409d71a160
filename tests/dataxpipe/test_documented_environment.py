"""Every variable that is read is documented, and every documented one is read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = re.compile(r"""(?:env(?:\.\w+)?|required_in_production|environ\.get)\(\s*["']([A-Z][A-Z0-9_]+)["']""")
NOT_OURS = {"DJANGO_SETTINGS_MODULE", "PATH"}


COMMAND_LINE = ROOT / "dataxpipe" / "command_line"


def variables_in(paths) -> set[str]:
    names = {name for path in paths for name in READ.findall(path.read_text())} - NOT_OURS
    return {name for name in names if not name.startswith("HTTP_")}  # headers of a request, in WSGI's environ


def variables_read() -> set[str]:
    """By the server; the command line runs elsewhere."""
    sources = {path for app in ("dataxpipe", "orgs", "catalog", "billing") for path in (ROOT / app).rglob("*.py")}
    return variables_in(sources - set(COMMAND_LINE.rglob("*.py")))


def test_operations_describes_every_variable():
    described = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert variables_read() - described == set()


def test_the_example_has_every_variable_an_operator_sets():
    example = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert variables_read() - example == {"DATAXPIPE_EMBEDDED_DURABLE"}
    assert example - variables_read() == set()


def test_the_page_about_ci_describes_the_variables_of_the_command_line():
    described = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (ROOT / "docs" / "ci.md").read_text()))
    assert variables_in(COMMAND_LINE.rglob("*.py")) == described
