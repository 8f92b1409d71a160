"""The table of contents: pages, API, probes."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("dataxpipe.api")),
    path("", include("orgs.urls")),
    path("", include("catalog.urls")),
]

handler400 = "dataxpipe.errors.bad_request"
handler403 = "dataxpipe.errors.permission_denied"
handler404 = "dataxpipe.errors.page_not_found"
handler500 = "dataxpipe.errors.server_error"
