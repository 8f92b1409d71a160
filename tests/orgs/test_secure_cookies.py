"""`__Host-` and Secure exactly when the base URL is https; read from the settings as production starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASK = """
import json, django
django.setup()
from django.conf import settings
from django.test import RequestFactory
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from orgs.views.accounts import choose_theme

def page(request):
    get_token(request)
    return HttpResponse()

secure = settings.BASE_URL.startswith("https")
request = RequestFactory().get("/", secure=secure)
answers = [CsrfViewMiddleware(page)(request)]
request = RequestFactory().post("/theme", {"theme": "dark"}, secure=secure)
answers.append(choose_theme(request))
cookies = {name: bool(morsel["secure"]) for answer in answers for name, morsel in answer.cookies.items()}
cookies[settings.SESSION_COOKIE_NAME] = settings.SESSION_COOKIE_SECURE
paths = {settings.SESSION_COOKIE_PATH, settings.CSRF_COOKIE_PATH}
domains = {settings.SESSION_COOKIE_DOMAIN, settings.CSRF_COOKIE_DOMAIN}
print(json.dumps({"cookies": cookies, "paths": list(paths), "domains": list(domains)}))
"""


def cookies(base_url):
    environment = {
        **os.environ,
        "DEBUG": "false",
        "DJANGO_SETTINGS_MODULE": "dataxpipe.settings",
        "DATAXPIPE_SECRET_KEY": "x" * 50,
        "DATAXPIPE_ENCRYPTION_KEYS": "a:" + "A" * 43 + "=",
        "DATAXPIPE_BASE_URL": base_url,
        "DATAXPIPE_ALLOWED_HOSTS": "testserver",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(("base_url", "prefix"), [("https://dxp.example.com", "__Host-"), ("http://localhost", "")])
def test_session_form_and_theme_cookies_follow_the_base_url(base_url, prefix):
    told = cookies(base_url)
    names = {"dxp_session", "dxp_csrf", "dxp_theme"}
    assert told["cookies"] == {f"{prefix}{name}": bool(prefix) for name in names}
    assert (told["paths"], told["domains"]) == (["/"], [None])
