"""Addresses of lists: every filter lives in the URL, and each link changes one thing of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from dataxpipe.pagination import Page, paginate
from dataxpipe.problems import CursorInvalid
from orgs.requests import OrganizationRequest

MAX_TEXT = 1_000


def text_of(query: QueryDict, name: str) -> str:
    """The last value; what no row could hold counts as not given, because pages ignore what they do not know."""
    return next(iter(texts_of(query, name)[-1:]), "")


def texts_of(query: QueryDict, name: str) -> list[str]:
    values = (value.strip() for value in query.getlist(name))
    return list(dict.fromkeys(value for value in values if value and len(value) <= MAX_TEXT and "\0" not in value))


def address(query: QueryDict, **changes: Any) -> str:
    """`?…` with some parameters replaced: by a text, a list, or None to leave them out. Pages begin anew."""
    kept = [(name, value) for name, values in query.lists() for value in values if name not in {"cursor", *changes}]
    for name, value in changes.items():
        kept += [(name, item) for item in (value if isinstance(value, list) else [value]) if item not in {None, ""}]
    return "?" + urlencode([(name, value) for name, value in kept if value != ""])


def address_up_to(query: QueryDict, name: str, **changes: Any) -> str:
    """The same address as far as `name=`, for links that only differ in that value."""
    base = address(query, **{name: None}, **changes)
    return f"{base}{'&' if len(base) > 1 else ''}{name}="


def page_of(request: OrganizationRequest, queryset: Any, order: list[str], *, limit: int = 50) -> Page:
    """A keyset page; a cursor that has expired or was changed begins at the first page."""
    query = request.GET.copy()
    query.pop("limit", None)
    owner, path = request.organization.pk, request.path
    try:
        return paginate(queryset, order=order, parameters=query, owner=owner, path=path, default_limit=limit)
    except CursorInvalid:
        query.pop("cursor", None)
        return paginate(queryset, order=order, parameters=query, owner=owner, path=path, default_limit=limit)
