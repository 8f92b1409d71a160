"""Addresses of RFC 8615, for programs that know where to look."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from orgs.services.audit_anchors import public_key_set


@require_safe
def audit_keys(request: HttpRequest) -> JsonResponse:
    """The public keys of audit anchors, as a JSON Web Key Set."""
    response = JsonResponse(public_key_set(), content_type="application/jwk-set+json")
    response["Cache-Control"] = "public, max-age=3600"
    return response
