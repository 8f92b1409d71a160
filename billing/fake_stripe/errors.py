"""Stripe's errors, in Stripe's shape: https://docs.stripe.com/api/errors"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """A request that Stripe refuses; `param` names the parameter at fault."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002  (Stripe's word)
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.type, self.code, self.param = message, status, type, code, param

    def body(self) -> dict[str, Any]:
        told = {"type": self.type, "message": self.message, "code": self.code, "param": self.param}
        return {"error": {name: value for name, value in told.items() if value is not None}}


def missing(kind: str, identifier: str, *, param: str = "id") -> Refusal:
    noun = kind.replace(".", " ").replace("_", " ")
    return Refusal(f"No such {noun}: '{identifier}'", status=404, code="resource_missing", param=param)


class CardDeclined(Exception):
    """The bank refuses the card; `reason` is Stripe's decline code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
