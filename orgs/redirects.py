"""Where a form may lead back to: pages of this site, and nothing else."""

from __future__ import annotations

import re

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

# A path of ours begins with one slash; what browsers fold into another slash or drop is refused.
# Longer than any page's address, and short enough for every proxy's header.
PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")


def safe_next(request: HttpRequest, default: str) -> str:
    """`next` of the form or the query if it is a path of this site, else `default`."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if is_of_this_site(wanted) else default


def is_of_this_site(path: str) -> bool:
    return bool(PATH.fullmatch(path)) and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
