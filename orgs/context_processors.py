from functools import partial
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from orgs.middleware import memberships
from orgs.services.usage.warnings import near_limits


def organization(request: HttpRequest) -> dict[str, Any]:
    """The bound organization, what the person may do in it, and the others they could switch to."""
    current = getattr(request, "organization", None)
    theme = request.COOKIES.get(settings.THEME_COOKIE_NAME)
    loaded = getattr(request, "_memberships", None)
    return {
        "organization": current,
        "actor": getattr(request, "actor", None),
        "support_entry": getattr(request, "support_entry", None),
        # Called by the templates that show them: an error page must not ask the database that failed.
        "memberships": loaded if current is not None else partial(memberships, request),
        "near_limits": partial(near_limits, current) if current is not None else (),
        "theme": theme if theme in {"light", "dark"} else "",
    }
