"""The API's router: every path works with and without its trailing slash."""

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

router = SimpleRouter()
router.trailing_slash = "/?"

urlpatterns: list[URLPattern | URLResolver] = list(router.urls)
