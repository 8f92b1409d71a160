"""`/security/token-leaks`: reports of secret scanners, in the form of GitHub's secret scanning partners."""

from __future__ import annotations

import base64
from typing import Any

from django.core.exceptions import RequestDataTooBig
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dataxpipe.problems import FieldError, ValidationFailed
from dataxpipe.requests import read_json
from dataxpipe.requests.limits import too_large
from orgs import keys
from orgs.actors import Actor
from orgs.attempts import Pace, limit_address
from orgs.leak_reporters import require_signature
from orgs.services.key_leaks import Leak, report_leaks

MOST_LEAKS = 1_000
# By address: a body costs reading and a signature costs checking. A report holds a thousand keys.
REPORTS = Pace(120, 60)
MAX_BYTES = 1024 * 1024
KEY_ID, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
HEADERS = [OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True) for name in (KEY_ID, SIGNATURE)]


class LeakReport(serializers.Serializer[Any]):
    token = serializers.CharField()
    type = serializers.CharField(required=False)
    url = serializers.CharField(required=False)
    source = serializers.CharField(required=False)  # type: ignore[assignment]


class LeakVerdict(serializers.Serializer[Any]):
    token_hash = serializers.CharField(help_text="SHA-256 of the token, base64")
    token_type = serializers.CharField()
    label = serializers.ChoiceField(choices=["true_positive", "false_positive"])  # type: ignore[assignment]


class TokenLeakView(APIView):
    """Outside of every organization. What is not signed is not read."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(
        request=LeakReport(many=True),
        responses=LeakVerdict(many=True),
        parameters=HEADERS,
        operation_id="token_leaks",
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Revokes the keys among the reported tokens, and tells of each token whether it was a key."""
        limit_address("token_leaks", request._request, REPORTS)
        try:
            body = request._request.body
        except RequestDataTooBig as error:
            raise too_large(MAX_BYTES) from error
        if len(body) > MAX_BYTES:
            raise too_large(MAX_BYTES)
        require_signature(body, key_id=request.headers.get(KEY_ID, ""), signature=request.headers.get(SIGNATURE, ""))
        reports = _reports(read_json(body))
        leaks = [Leak(report["token"], _text(report, "url"), _text(report, "source")) for report in reports]
        verdicts = report_leaks(leaks=leaks, reporter=Actor.visitor(request._request))
        return Response(
            [
                {
                    "token_hash": base64.b64encode(keys.digest(report["token"])).decode(),
                    "token_type": _text(report, "type"),
                    "label": "true_positive" if is_ours else "false_positive",
                }
                for report, is_ours in zip(reports, verdicts, strict=True)
            ],
            headers={"Cache-Control": "no-store"},
        )


def _reports(document: Any) -> list[dict[str, Any]]:
    """Further fields are left alone: the form is somebody else's, and grows."""
    if not isinstance(document, list) or len(document) > MOST_LEAKS:
        error = FieldError("invalid", f"A list of at most {MOST_LEAKS} tokens.", pointer="")
        raise ValidationFailed("The report is no list of tokens.", errors=[error])
    errors = [
        FieldError("required", "An object with a token.", pointer=f"/{index}/token")
        for index, report in enumerate(document)
        if not isinstance(report, dict) or not isinstance(report.get("token"), str)
    ]
    if errors:
        raise ValidationFailed("The report is no list of tokens.", errors=errors)
    return document


def _text(report: dict[str, Any], name: str) -> str:
    value = report.get(name)
    return value if isinstance(value, str) else ""
