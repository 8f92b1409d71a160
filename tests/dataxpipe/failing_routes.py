"""Views that fail in every way a database can, for the API, for pages of an organization and for pages outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, OperationalError, connection
from django.http import HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import include, path
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from catalog.models import Pipeline, PipelineTag, Run
from dataxpipe.postgres.fields import uuid7
from orgs.models import Organization
from orgs.permissions import Right
from orgs.tenancy import current_organization, is_scope_open, scoped_stream
from orgs.viewsets import TenantViewSet


def sleep_too_long() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '20', true)")
        cursor.execute("SELECT pg_sleep(5)")


def lose_the_database() -> None:
    raise OperationalError("the connection is closed")


def lose_the_connection() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def write_for_another_organization() -> None:
    theirs = Organization(pk=current_organization().pk + 1_000_000)
    PipelineTag._base_manager.bulk_create([PipelineTag(tag="x", pipeline_id=uuid7(), organization_id=theirs.pk)])


def use_a_right_that_is_missing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE catalog_pipeline")


def refer_to_a_row_that_is_gone() -> None:
    """Found at the end of the transaction only, because keys are deferred."""
    now = timezone.now()
    Run.objects.create(pipeline_id=uuid7(), run_id="1", status="success", reported_status="success", occurred_at=now)


def write_and_refuse() -> None:
    Pipeline.objects.create(name="half_done")


def swallow_a_failure() -> None:
    Pipeline.objects.create(name="twice")
    try:
        Pipeline.objects.create(name="twice")
    except IntegrityError:
        return


def forget_nothing() -> None:
    Pipeline.objects.create(name="kept")


def do_nothing() -> None:
    pass


FAILURES = {
    work.__name__: work
    for work in (
        sleep_too_long,
        lose_the_database,
        lose_the_connection,
        write_for_another_organization,
        use_a_right_that_is_missing,
        refer_to_a_row_that_is_gone,
        write_and_refuse,
        swallow_a_failure,
        forget_nothing,
        do_nothing,
    )
}


class FailingViewSet(TenantViewSet):
    rights = {"fail": Right.READ_CATALOG}

    @action(detail=False, methods=["get"], url_path="(?P<how>[^/]+)")
    def fail(self, request: Any, how: str) -> Response:
        FAILURES[how]()
        return Response({}, status=418 if how == "write_and_refuse" else 200)


def page_that_fails(request: Any, how: str) -> HttpResponse:
    FAILURES[how]()
    return HttpResponse("done", status=418 if how == "write_and_refuse" else 200)


def lazy_page(request: Any) -> TemplateResponse:
    Pipeline.objects.create(name="lazily")
    return TemplateResponse(request, "404.html", {"problem": {"detail": Pipeline.objects.all()}})


def streamed_page(request: Any) -> StreamingHttpResponse:
    def next_page(position: Any) -> tuple[bytes, None]:
        return f"{Pipeline.objects.count()} {is_scope_open()}".encode(), None

    return StreamingHttpResponse(scoped_stream(request.organization, next_page))


def forgetful_stream(request: Any) -> StreamingHttpResponse:
    def body() -> Iterator[str]:
        for row in Pipeline.objects.all():
            yield row.name

    return StreamingHttpResponse(body())


router = SimpleRouter()
router.register("failing", FailingViewSet, basename="failing")
urlpatterns = [
    path("api/v1/", include(router.urls)),
    path("o/<slug:slug>/fail/<str:how>/", page_that_fails),
    path("o/<slug:slug>/lazy/", lazy_page),
    path("o/<slug:slug>/stream/", streamed_page),
    path("o/<slug:slug>/forgetful/", forgetful_stream),
    path("outside/<str:how>/", page_that_fails),
]
handler404 = "dataxpipe.errors.page_not_found"
handler500 = "dataxpipe.errors.server_error"
