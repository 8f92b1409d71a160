"""A spec's document as YAML for people, such that reading it gives the same document again."""

from __future__ import annotations

from typing import Any

import yaml

from dataxpipe.requests.strict_yaml import CORE_FLOAT, CORE_INTEGER

CORE = "tag:yaml.org,2002:"


class _Dumper(yaml.CSafeDumper):
    """PyYAML quotes what YAML 1.1 would misread; this one also what only 1.2 would, such as 1e5 and 0o17."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_implicit_resolver(f"{CORE}float", CORE_FLOAT, list("-+.0123456789"))
_Dumper.add_implicit_resolver(f"{CORE}int", CORE_INTEGER, list("-+0123456789"))


def render_yaml(document: dict[str, Any]) -> str:
    """Block style, keys in the document's order, without aliases."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text
