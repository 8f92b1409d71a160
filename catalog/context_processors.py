from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from catalog.models import Check, Pipeline
from orgs.tenancy import is_scope_open


def navigation(request: HttpRequest) -> dict[str, Any]:
    """The numbers beside the navigation's entries; asked for only where a page shows it, none outside a scope."""
    return {"nav_counts": SimpleLazyObject(_counts)}


def _counts() -> dict[str, int]:
    if not is_scope_open():
        return {}
    return {
        "pipelines": Pipeline.objects.active().count(),
        "checks_failing": Check.objects.failing().count(),
    }
