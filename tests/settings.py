"""The product's settings, with what only tests may do: DEBUG's defaults, quick password hashes, no durability."""

import os

os.environ["DEBUG"] = "true"
os.environ.setdefault("DATAXPIPE_EMBEDDED_DURABLE", "false")

from dataxpipe.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
WHITENOISE_AUTOREFRESH = True
# Switched on by the fixture `limits`: most tests send more than a plan allows, and count queries.
RATELIMIT_ENABLE = False
REDIS_URL = ""
