"""The API's router: every path works with and without its trailing slash."""

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from catalog.api.lineage import LineageViewSet
from catalog.api.pipelines import PipelineViewSet

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("pipelines", PipelineViewSet, basename="pipeline")
router.register("lineage", LineageViewSet, basename="lineage")

urlpatterns: list[URLPattern | URLResolver] = list(router.urls)
