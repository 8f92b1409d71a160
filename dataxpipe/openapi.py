"""What drf-spectacular cannot read from the code by itself: credentials, pages, scopes and problems."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import is_list_serializer
from drf_spectacular.utils import OpenApiParameter

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. Some problems say more: `limit`, `used`, `plan`, `upgrade_url`, `retry_after_seconds`.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "example": "/problems/validation-failed"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "parameter": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
ANY_PROBLEM = {
    "description": "A refusal. Its `type` has a page that says what to do.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
CURSOR = OpenApiParameter("cursor", str, description="As `next` and `previous` carry it.")
LIMIT = OpenApiParameter("limit", int, description="1 to 500, 50 unless said otherwise.")


class Pages:
    """Describes the keyset pages of `dataxpipe.pagination`; the views make them themselves."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        url = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["results", "next", "previous"],
            "properties": {"results": schema, "next": url, "previous": url},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return []


class TenantSchema(AutoSchema):
    """Of a `TenantViewSet`: names the scope and every query parameter that the viewset declares.

    Views of the few addresses that need no credential have neither.
    """

    view: Any

    def get_operation_id(self) -> str:
        basename = getattr(self.view, "basename", None)
        return f"{basename}_{self.view.action}" if basename else super().get_operation_id()

    def get_description(self) -> str:  # type: ignore[override]
        if not hasattr(self.view, "rights"):
            return super().get_description()
        method = getattr(self.view, self.view.action, None)
        said = (getattr(method, "__doc__", None) or "").strip()
        scope = self.view.rights[self.view.action].value
        needed = "a platform key" if scope == "platform" else f"the scope `{scope}`"
        return f"{said}\n\nNeeds {needed}.".strip()

    def get_override_parameters(self) -> list[Any]:
        declared: list[Any] = list(super().get_override_parameters())
        if not hasattr(self.view, "parameters"):
            return declared
        action = self.view.action
        known = {parameter.name for parameter in declared}
        paging = [CURSOR, LIMIT] if action in self.view.paged_actions else []
        named = [OpenApiParameter(name, str) for name in sorted(self.view.parameters.get(action, set()))]
        return declared + [parameter for parameter in named + paging if parameter.name not in known]

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Only what says so: an action called list may describe its page itself."""
        return serializer is not None and is_list_serializer(serializer)

    def _get_paginator(self) -> Pages:
        return Pages()


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "orgs.authentication.ApiKeyAuthentication"
    name = ["apiKey", "bearer"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Either, not both."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
            {
                "type": "http",
                "scheme": "bearer",
                "description": "The same key, as OpenLineage clients send it; or a person's token of the identity "
                "provider, with `X-Organization` naming the organization where there are several.",
            },
        ]


class OperatorScheme(ApiKeyScheme):  # type: ignore[no-untyped-call]
    """A platform key, or an organization's: the same two headers."""

    target_class = "orgs.operators.OperatorAuthentication"
    name = ["platformKey", "platformBearer"]


def describe_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Post-processing: whatever is not a success is a problem, in one shape."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = ANY_PROBLEM
    return result
