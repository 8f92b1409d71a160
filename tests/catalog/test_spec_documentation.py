"""`docs/specs.md` shows the language as it is."""

import re
from pathlib import Path

import catalog.spec
from catalog.spec.datasets import connection_types
from catalog.spec.parse import parse_spec
from catalog.spec.structure import spec_schema
from dataxpipe.requests import read_yaml

TEXT = (Path(__file__).parents[2] / "docs" / "specs.md").read_text("utf-8")


def test_the_examples_are_specs():
    examples = [block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if "pipeline:" in block]
    assert len(examples) == 2
    for example in examples:
        parse_spec(read_yaml(example.encode()))


def test_the_full_example_has_every_section():
    example = read_yaml(re.search(r"```yaml\n(version.*?)```", TEXT, re.DOTALL)[1].encode())
    assert set(example) == set(spec_schema()["properties"])
    assert set(example["pipeline"]) == set(spec_schema()["properties"]["pipeline"]["properties"])


def test_every_connection_type_has_its_row():
    assert [name for name in connection_types() if f"\n| `{name}` |" not in TEXT] == []


def test_every_error_code_is_explained():
    folder = Path(catalog.spec.__file__).parent
    source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    codes = set(re.findall(r'(?:_error\(|FieldError\(|return )"([a-z_]+)", ', source))
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in TEXT} == set()
