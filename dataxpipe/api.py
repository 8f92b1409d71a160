"""The API's router: every path works with and without its trailing slash."""

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from catalog.api.lineage import LineageViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("lineage", LineageViewSet, basename="lineage")

urlpatterns: list[URLPattern | URLResolver] = list(router.urls)
