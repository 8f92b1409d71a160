"""`POST /plan`: what registering these specs would do, as JSON for a gate and as Markdown for a comment."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.pipelines import CHANGE_ENVIRONMENT, SPEC_OR_SPECS, batch_of_specs
from catalog.api.versions import ChangeSerializer
from catalog.services.plans import Headroom, Link, PipelinePlan, PlannedSpec, plan_pipelines
from dataxpipe.parameters import Query
from dataxpipe.parsing import StrictSpecParser, YamlMediaType
from dataxpipe.rendering import JsonRenderer
from orgs.permissions import Right
from orgs.viewsets import TenantViewSet


class LinkSerializer(serializers.Serializer[Any]):
    direction = serializers.ChoiceField(choices=["reads", "writes"])
    namespace = serializers.CharField()
    name = serializers.CharField()


class LinkChangesSerializer(serializers.Serializer[Any]):
    added = LinkSerializer(many=True)
    removed = LinkSerializer(many=True)


class ErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class PlannedSpecSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField(help_text="Where the spec stands in the body.")
    action = serializers.ChoiceField(choices=["create", "update", "roll_back", "unchanged", "conflict", "invalid"])
    namespace = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    version = serializers.CharField(allow_null=True)
    current_version = serializers.CharField(allow_null=True)
    errors = ErrorSerializer(many=True)  # type: ignore[assignment]
    changes = ChangeSerializer(many=True)
    links = LinkChangesSerializer()


class HeadroomSerializer(serializers.Serializer[Any]):
    limit = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    adding = serializers.IntegerField()
    fits = serializers.BooleanField()


class PlanSerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="Registering all of them would succeed.")
    headroom = HeadroomSerializer()
    results = PlannedSpecSerializer(many=True)


class MarkdownRenderer(BaseRenderer):
    """For `Accept: text/markdown`; problems stay JSON."""

    media_type = "text/markdown"
    format = "markdown"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if renderer_context["response"].status_code >= 400:
            return orjson.dumps(data, default=str)
        return markdown(data).encode()


class PlanViewSet(TenantViewSet):
    parser_classes = [StrictSpecParser, YamlMediaType]
    renderer_classes = [JsonRenderer, MarkdownRenderer]
    rights: ClassVar[dict[str, Right]] = {"create": Right.PLAN}
    parameters: ClassVar[dict[str, set[str]]] = {"create": {"namespace", "change_environment"}}

    @extend_schema(
        parameters=[OpenApiParameter("namespace", str), CHANGE_ENVIRONMENT],
        request=SPEC_OR_SPECS,
        responses={(200, "application/json"): PlanSerializer, (200, "text/markdown"): str},
    )
    def create(self, request: Request) -> Response:
        """One spec, or a list of up to 500."""
        query = Query(request.query_params)
        change_environment = query.flag("change_environment")
        query.require_valid()
        is_single = isinstance(request.data, dict)
        documents = [request.data] if is_single else batch_of_specs(request.data)
        plan = plan_pipelines(
            documents=documents,
            pointers=[""] if is_single else [f"/{index}" for index in range(len(documents))],
            namespace=request.query_params.get("namespace"),
            change_environment=change_environment,
        )
        return Response(plan_shape(plan))


def plan_shape(plan: PipelinePlan) -> dict[str, Any]:
    return {
        "ok": plan.is_ok,
        "headroom": _headroom_shape(plan.headroom),
        "results": [_spec_shape(spec) for spec in plan.specs],
    }


def _headroom_shape(headroom: Headroom) -> dict[str, Any]:
    return {"limit": headroom.limit, "used": headroom.used, "adding": headroom.adding, "fits": headroom.fits}


def _spec_shape(spec: PlannedSpec) -> dict[str, Any]:
    return {
        "pointer": spec.pointer,
        "action": spec.action,
        "namespace": spec.namespace,
        "name": spec.name,
        "version": spec.version,
        "current_version": spec.current_version,
        "errors": [error.as_dict() for error in spec.errors],
        "changes": spec.changes,
        "links": {
            "added": [_link_shape(link) for link in spec.links_added],
            "removed": [_link_shape(link) for link in spec.links_removed],
        },
    }


def _link_shape(link: Link) -> dict[str, str]:
    return dict(zip(("direction", "namespace", "name"), link, strict=True))


def markdown(plan: dict[str, Any]) -> str:
    """A table of the specs, what is wrong with them, and the room in the plan."""
    lines = ["### Pipelines", "", "| Pipeline | Action | Version | Lineage |", "|---|---|---|---|"]
    lines += [_table_row(spec) for spec in plan["results"]]
    errors = [(spec, error) for spec in plan["results"] for error in spec["errors"]]
    if errors:
        lines += ["", "#### To be mended", ""]
        lines += [f"- `{_code(error.get('pointer') or '/')}` {_cell(error['detail'])}" for _, error in errors]
    return "\n".join([*lines, "", _room_sentence(plan["headroom"]), ""])


def _table_row(spec: dict[str, Any]) -> str:
    name = f"`{_code(spec['name'])}`" if spec["name"] else f"`{spec['pointer'] or '/'}`"
    before, after = spec["current_version"], spec["version"]
    version = f"{before} → {after}" if before and after and before != after else after or ""
    links = f"+{len(spec['links']['added'])} -{len(spec['links']['removed'])}"
    lineage = links if spec["action"] in ("create", "update", "roll_back") else ""
    return f"| {name} | {spec['action'].replace('_', ' ')} | {_cell(version)} | {lineage} |"


def _room_sentence(headroom: dict[str, Any]) -> str:
    if headroom["limit"] is None:
        return f"{headroom['adding']} new, {headroom['used']} in use, without limit."
    verdict = "" if headroom["fits"] else " **The plan has no room for them.**"
    return f"{headroom['adding']} new, {headroom['used']} of {headroom['limit']} in use.{verdict}"


def _cell(text: str) -> str:
    """Foreign text that stays text: no markup, no HTML, no further cells."""
    plain = " ".join(text.split())
    for character in "\\`*_[]<>|#!":
        plain = plain.replace(character, f"\\{character}")
    return plain.replace("@", "@\u200b")


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").replace("|", "¦").split())
