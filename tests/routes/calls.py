"""Calling a route of the tables as somebody, and comparing two answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from orgs.services import key_uses, refusals
from tests.routes import Route

DIFFERS_ANYWAY = {"x-request-id", "date", "set-cookie", "expires", "last-modified", "ratelimit"}
TOKEN = re.compile(r'(name="csrfmiddlewaretoken" value="|X-CSRFToken&quot;: &quot;)[A-Za-z0-9]+')
REQUEST_ID = re.compile(r"\b[0-9a-f]{32}\b")
MADE = re.compile(
    r"\b[0-9a-f]{64}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z"
    r"|dxp_\w+(…\w+)?|\b[\w-]{86}\b"
)
CURSOR = re.compile(r"cursor=[\w%.:-]+")  # signed with the time


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str
    query_count: int

    def without(self, *values: object) -> Answer:
        """The answer with what the caller itself sent blotted out, raw and quoted."""
        body, headers = self.body, self.headers
        for value in sorted({text for v in values for text in (str(v), quote(str(v), safe=""))}, key=len, reverse=True):
            whole = re.compile(rf"(?<!\d){re.escape(value)}(?!\d)")  # a row called 40 is not in 404
            body = whole.sub("…", body)
            headers = {name: whole.sub("…", text) for name, text in headers.items()}
        return Answer(self.status, headers, body, self.query_count)

    def without_what_was_made(self) -> Answer:
        """A success, with the ids, times, digests and keys of what it made blotted out: they are new each time."""
        if self.status >= 300:
            return self
        return replace(self, body=MADE.sub("…", self.body), headers={**self.headers, "location": ""})


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside has not happened."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def call(client: Client, route: Route, values: dict[str, Any], **headers: str) -> Answer:
    path = route.path.format(**{name: quote(str(value), safe="") for name, value in values["path"].items()})
    if values["query"]:
        path += "?" + urlencode(values["query"], doseq=True)
    headers = {**headers, **route.headers}
    key_uses._counts.clear()  # a process writes the first use of a caller, and then only counts for a while
    refusals._counts.clear()
    with CaptureQueriesContext(connection) as queries:
        if route.is_api and values["body"] is not None:
            body = values["body"] if isinstance(values["body"], bytes) else orjson.dumps(values["body"])
            response = client.generic(route.method, path, body, "application/json", headers=headers)
        elif route.method == "POST":
            response = client.post(path, values["body"] or {}, headers=headers)
        else:
            response = client.generic(route.method, path, headers=headers)
    content = response.getvalue() if response.streaming else response.content
    text = content.decode(errors="replace")
    for pattern in (TOKEN, CURSOR, REQUEST_ID):
        text = pattern.sub("…", text)
    kept = {name.lower(): value for name, value in response.items() if name.lower() not in DIFFERS_ANYWAY}
    kept.pop("content-length", None)
    return Answer(response.status_code, kept, text, len(queries))
