"""What the API answers to which method and path, and how its answers are shaped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from billing.fake_stripe.account import Account
from billing.fake_stripe.errors import Refusal
from billing.fake_stripe.parameters import Parameters
from billing.fake_stripe.store import Object

Endpoint = Callable[..., Object]
ENDPOINTS: list[tuple[str, re.Pattern[str], Endpoint]] = []
MOST_OF_A_PAGE = 100
DEPTH_OF_EXPANSION = 4


def endpoint(method: str, path: str) -> Callable[[Endpoint], Endpoint]:
    """Registers a function of (account, parameters, *ids) for a path with `{}` in place of ids."""
    pattern = re.compile("/v1" + path.replace("{}", "([A-Za-z0-9_]+)"))

    def register(function: Endpoint) -> Endpoint:
        ENDPOINTS.append((method, pattern, function))
        return function

    return register


def answer(account: Account, method: str, path: str, values: dict[str, Any]) -> Object:
    """Calls the endpoint; what it answers is expanded as asked, private fields still in it."""
    for known, pattern, function in ENDPOINTS:
        match = pattern.fullmatch(path)
        if match and known == method:
            parameters = Parameters(values)
            paths = parameters.texts("expand")
            found = function(account, parameters, *match.groups())
            parameters.finish()
            for each in paths:
                found = expanded(account, found, each.split("."), whole=each)
            return found
    raise Refusal(
        f"Unrecognized request URL ({method}: {path}). This pretend Stripe answers what billing uses.", status=404
    )


def page(account: Account, found: list[Object], parameters: Parameters, url: str) -> Object:
    """One page of objects that come newest first: `limit`, `starting_after`, `ending_before`, `created`."""
    limit = parameters.integer("limit", 10, least=1) or 10
    after, before = parameters.text("starting_after"), parameters.text("ending_before")
    if limit > MOST_OF_A_PAGE:
        raise Refusal(f"Invalid limit: at most {MOST_OF_A_PAGE}.", param="limit")
    if after and before:
        raise Refusal("Only one of starting_after and ending_before can be given.", param="starting_after")
    found = _created_within(found, parameters)
    parameters.finish()
    ids = [each["id"] for each in found]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise Refusal(f"No such object: '{cursor}'", code="resource_missing", param=name)
    if before:
        rest = found[: ids.index(before)]
        return _list(rest[-limit:], len(rest) > limit, url)
    rest = found[ids.index(after) + 1 :] if after else found
    return _list(rest[:limit], len(rest) > limit, url)


def _list(data: list[Object], has_more: bool, url: str) -> Object:
    return {"object": "list", "data": data, "has_more": has_more, "url": f"/v1{url}"}


def _created_within(found: list[Object], parameters: Parameters) -> list[Object]:
    if isinstance(parameters.values.get("created"), str):
        exactly = parameters.integer("created")
        return [each for each in found if each["created"] == exactly]
    limits = parameters.child("created")
    tests: dict[str, Callable[[int, int], bool]] = {
        "gt": int.__gt__,
        "gte": int.__ge__,
        "lt": int.__lt__,
        "lte": int.__le__,
    }
    for name, holds in tests.items():
        limit = limits.integer(name)
        if limit is not None:
            found = [each for each in found if holds(each["created"], limit)]
    limits.finish()
    return found


def expanded(account: Account, found: Any, names: list[str], *, whole: str) -> Any:
    """The object with the ids on this path replaced by what they name."""
    if len(names) > DEPTH_OF_EXPANSION:
        raise Refusal(f"You cannot expand more than {DEPTH_OF_EXPANSION} levels of a property: {whole}", param="expand")
    if isinstance(found, list):
        return [expanded(account, each, names, whole=whole) for each in found]
    name, *rest = names
    hidden = f"_{name}"
    if not isinstance(found, dict) or (name not in found and hidden not in found):
        raise Refusal(f"This property cannot be expanded ({whole}).", param="expand[0]")
    value = found[hidden] if hidden in found else found[name]
    if isinstance(value, str):
        value = account.store.find(value)
        if value is None:
            raise Refusal(f"This property cannot be expanded ({whole}).", param="expand[0]")
    elif not rest and isinstance(value, int | bool):
        raise Refusal(f"This property cannot be expanded ({whole}).", param="expand[0]")
    if rest and value is not None:
        value = expanded(account, value, rest, whole=whole)
    return {**found, name: value}
