"""Settings of DataXPipe: one module, read from the environment only, in the order Django documents them.

Every variable is described in `docs/operations.md`; a missing secret in production stops the start.
"""

import base64
import binascii
import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("DATAXPIPE_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()


def required_in_production(variable: str, *, in_debug: str) -> str:
    """The variable's value; in production its absence is the one line the operator sees."""
    value: str = env.str(variable, default="")
    if value:
        return value
    if DEBUG:
        return in_debug
    raise ImproperlyConfigured(
        f"{variable} is not set. Production needs it; `docs/operations.md` says how to make one."
    )


def master_keys(text: str) -> dict[str, bytes]:
    """`kid:base64,…` as key id → 32 bytes, in the order given: the first one seals, all of them open."""
    keys = {}
    for part in text.split(","):
        key_id, _, encoded = part.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", key_id) or len(key) != 32:
            raise ImproperlyConfigured(
                "DATAXPIPE_ENCRYPTION_KEYS must read `name:base64 of 32 bytes`, several with commas between."
            )
        keys[key_id] = key
    return keys


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached by the name or address, written as in ALLOWED_HOSTS or in a URL."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def allowed_legacy_keys() -> bool:
    """Keys that everybody knows stop the start wherever somebody else could send them."""
    if not env.bool("DATAXPIPE_LEGACY_KEYS", default=False):
        return False
    hosts = [*ALLOWED_HOSTS, urlsplit(BASE_URL).hostname or ""]
    if not DEBUG or not all(is_loopback(host) for host in hosts):
        raise ImproperlyConfigured(
            "DATAXPIPE_LEGACY_KEYS accepts keys that everybody knows: it needs DEBUG=true, and loopback names alone in "
            "DATAXPIPE_ALLOWED_HOSTS and DATAXPIPE_BASE_URL."
        )
    return True


def redis_url(text: str) -> str:
    if text and not text.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured("DATAXPIPE_REDIS_URL must read `redis://host:6379/0`, `rediss://…` or `unix:///…`.")
    return text


# Core

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = required_in_production("DATAXPIPE_SECRET_KEY", in_debug="for-development-only-" + "x" * 32)
ENCRYPTION_KEYS = master_keys(
    required_in_production("DATAXPIPE_ENCRYPTION_KEYS", in_debug=f"dev:{base64.b64encode(b'd' * 32).decode()}")
)
BASE_URL = env.str("DATAXPIPE_BASE_URL", default=f"http://localhost:{env.str('PORT', default='8000')}").rstrip("/")
# Addresses and networks of reverse proxies, whose X-Forwarded-For is believed.
TRUSTED_PROXIES = [ipaddress.ip_network(network) for network in env.list("DATAXPIPE_TRUSTED_PROXIES", default=[])]
ALLOWED_HOSTS = env.list("DATAXPIPE_ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# Networks that JWKS addresses and the like may lie in although they are private.
OUTBOUND_ALLOWED = [ipaddress.ip_network(network) for network in env.list("DATAXPIPE_OUTBOUND_ALLOWED", default=[])]
# Where a secret scanner publishes the keys it signs its reports with: an https address, or a file.
LEAK_REPORT_KEYS = env.str("DATAXPIPE_LEAK_REPORT_KEYS", default="")
LEGACY_KEYS = allowed_legacy_keys()
APPEND_SLASH = False  # the last URL pattern does it, for pages
ROOT_URLCONF = "dataxpipe.urls"
WSGI_APPLICATION = "dataxpipe.wsgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

INSTALLED_APPS = [
    "dataxpipe",
    "orgs",
    "catalog",
    "billing",
    "orgs.admin_config.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "procrastinate.contrib.django",
]

MIDDLEWARE = [
    "dataxpipe.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "orgs.middleware.ContentSecurityPolicyMiddleware",
    "orgs.middleware.RefusalMiddleware",
    "orgs.sessions.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "orgs.person_limits.PersonLimitMiddleware",
    "orgs.middleware.OrganizationMiddleware",
]

# Database: the application's role; the owner's role is used by migrations and test databases alone

EMBEDDED_DATABASE = {
    "NAME": "dataxpipe",
    "USER": "dataxpipe_app",
    "EMBEDDED": DATA_DIR,
    "OWNER": {"USER": "dataxpipe_owner"},
}


def configured_database() -> dict[str, object]:
    if not env.str("DATAXPIPE_DB", default=""):
        return {**EMBEDDED_DATABASE}
    database: dict[str, object] = env.db_url("DATAXPIPE_DB", engine="dataxpipe.postgres")
    if env.str("DATAXPIPE_DB_OWNER", default=""):
        owner = env.db_url("DATAXPIPE_DB_OWNER", engine="dataxpipe.postgres")
        database["OWNER"] = {"USER": owner["USER"], "PASSWORD": owner["PASSWORD"]}
    return database


_database = configured_database()
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "dataxpipe.postgres",
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **_database.get("OPTIONS", {}),  # type: ignore[dict-item]
            # Values travel beside the statement, so that it can be prepared (dataxpipe.postgres.prepared).
            "server_side_binding": True,
            "pool": {
                "min_size": env.int("DATAXPIPE_PG_POOL_MIN", default=2),
                "max_size": env.int("DATAXPIPE_PG_POOL_MAX", default=20),
                "timeout": 5,
            },
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Templates

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "orgs.context_processors.organization",
                "catalog.context_processors.navigation",
            ],
        },
    }
]

# Rates, counted in Redis or else in PostgreSQL (orgs/counters)

RATELIMIT_ENABLE = env.bool("DATAXPIPE_RATE_LIMIT_ENABLED", default=True)
RATELIMIT_USE_CACHE = "counters"
RATELIMIT_CACHE_PREFIX = ""
RATELIMIT_HASH_ALGORITHM = "orgs.counters.cache.CounterKey"
REDIS_URL = redis_url(env.str("DATAXPIPE_REDIS_URL", default=""))
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "counters": {"BACKEND": "orgs.counters.cache.CounterCache"},
}

# Static files

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# People and sessions

AUTH_USER_MODEL = "orgs.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

# The identity provider whose people log in, and whose tokens the API takes; OIDC_RP_… are mozilla-django-oidc's names.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_RP_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_RP_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_API_AUDIENCES = env.list("OIDC_API_AUDIENCES", default=[BASE_URL])
OIDC_RP_SCOPES = "openid email profile"
OIDC_RP_SIGN_ALGO = "RS256"  # for mozilla-django-oidc's start alone: orgs.issuers says which algorithms count
OIDC_USE_PKCE = True
OIDC_TIMEOUT = 5
OIDC_AUTHENTICATION_CALLBACK_URL = "oidc_callback"
if OIDC_ISSUER and not OIDC_RP_CLIENT_ID:
    raise ImproperlyConfigured("OIDC_CLIENT_ID is not set, but OIDC_ISSUER is; `docs/people.md` says what both are.")

IS_HTTPS = BASE_URL.startswith("https://")
SESSION_ENGINE = "orgs.sessions"
SESSION_COOKIE_NAME = "__Host-dxp_session" if IS_HTTPS else "dxp_session"
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 14 * 24 * 3600
THEME_COOKIE_NAME = "__Host-dxp_theme" if IS_HTTPS else "dxp_theme"
CSRF_COOKIE_NAME = "__Host-dxp_csrf" if IS_HTTPS else "dxp_csrf"
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [BASE_URL] if IS_HTTPS else []
CSRF_FAILURE_VIEW = "dataxpipe.errors.csrf_failure"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if IS_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
# The offline API documentation is somebody else's bundle, with style attributes of its own.
CONTENT_SECURITY_POLICY_DOCS = CONTENT_SECURITY_POLICY + "; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:"

# E-mail

EMAIL_CONFIG = env.email_url("DATAXPIPE_EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DATAXPIPE_EMAIL_FROM", default="DataXPipe <no-reply@localhost>")

# Language and time

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["orgs.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["orgs.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["dataxpipe.rendering.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["dataxpipe.parsing.StrictJsonParser"],
    "DEFAULT_SCHEMA_CLASS": "dataxpipe.openapi.TenantSchema",
    "EXCEPTION_HANDLER": "dataxpipe.rendering.problem_response",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "DataXPipe",
    "DESCRIPTION": "Register pipelines, post runs, check results and OpenLineage events, ask for lineage.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "dataxpipe.openapi.describe_problems",
    ],
}

# Billing: without the key the pages say so, and everything else works

STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRETS = [secret.strip() for secret in env.list("STRIPE_WEBHOOK_SECRET", default=[])]
# The first price of a plan is what new subscriptions pay; the others, yearly and former ones, are recognised.
STRIPE_PRICES = {
    "team": [price.strip() for price in env.list("STRIPE_PRICE_TEAM", default=[])],
    "business": [price.strip() for price in env.list("STRIPE_PRICE_BUSINESS", default=[])],
}
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com").rstrip("/")

# Logging

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "dataxpipe.request_ids.RequestIdFilter"}},
    "formatters": {
        "line": {
            "()": "dataxpipe.logs.DiscreetFormatter",
            "format": "{levelname} {name} {request_id} {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["console"], "level": env.str("DATAXPIPE_LOG_LEVEL", default="INFO")},
    "loggers": {
        # Without the handlers that Django gives them: every line is written once, by the one above.
        "django": {"handlers": []},
        "django.server": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
        "procrastinate": {"level": "WARNING"},
        "stripe": {"level": "WARNING"},
    },
}

# Jobs

PROCRASTINATE_WORKER_DEFAULTS = {"concurrency": 2, "delete_jobs": "successful"}
