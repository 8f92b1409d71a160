"""The table of contents: pages, API, probes."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from dataxpipe import documentation
from dataxpipe.errors import no_such_address
from dataxpipe.health import healthz, readyz
from orgs.tenancy import CONTROL_TABLES

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(r"^api/v1/schema/?$", documentation.schema, name="schema"),
    re_path(r"^api/docs/?$", documentation.api_docs, name="api_docs"),
    path("api/v1/", include("dataxpipe.api")),
    path("admin/", admin.site.urls),
    path("problems/", documentation.problems, name="problems"),
    path("problems/<slug:slug>", documentation.problem, name="problem"),
    re_path(r"^healthz/?$", healthz),
    re_path(r"^readyz/?$", readyz, {"control_tables": CONTROL_TABLES}),
    path("", include("billing.urls")),
    path("", include("orgs.urls")),
    path("", include("catalog.urls")),
    re_path(r"", no_such_address),  # while DEBUG is on Django would show its own page
]

handler400 = "dataxpipe.errors.bad_request"
handler403 = "dataxpipe.errors.permission_denied"
handler404 = "dataxpipe.errors.page_not_found"
handler500 = "dataxpipe.errors.server_error"
