"""Bodies of API requests: strict JSON everywhere, YAML where a spec is expected."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser

from dataxpipe.requests import read_body
from dataxpipe.requests.limits import too_large
from dataxpipe.requests.strict_json import MAX_JSON_BYTES


class StrictJsonParser(BaseParser):
    media_type = "application/json"
    allow_yaml = False

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        request = parser_context["request"]
        try:
            body = request._request.body
        except RequestDataTooBig as error:
            raise too_large(MAX_JSON_BYTES) from error
        encoding = request.headers.get("Content-Encoding", "")
        return read_body(request.content_type, encoding, body, allow_yaml=self.allow_yaml)


class StrictSpecParser(StrictJsonParser):
    allow_yaml = True


class YamlMediaType(StrictSpecParser):
    """Names the second media type in the OpenAPI description."""

    media_type = "application/yaml"


class Negotiation(DefaultContentNegotiation):
    """One parser reads whatever comes, so that a wrong media type is refused in our words."""

    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[0]
