from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.utils import timezone

from orgs.devices import device_of

if TYPE_CHECKING:
    from orgs.sessions import SessionStore


class SessionQuerySet(models.QuerySet["Session"]):
    def running(self) -> SessionQuerySet:
        return self.filter(expire_date__gt=timezone.now())


class SessionManager(BaseSessionManager.from_queryset(SessionQuerySet)):  # type: ignore[misc]
    pass


class Session(AbstractBaseSession):
    """A browser that is logged in, or is about to. Its key changes on every login, so a row is one login."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="sessions")
    signed_in_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    ip_address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=400, blank=True)

    objects: ClassVar[SessionManager] = SessionManager()

    @classmethod
    def get_session_store_class(cls) -> type[SessionStore]:
        from orgs.sessions import SessionStore

        return SessionStore

    @property
    def handle(self) -> str:
        """What pages call it by: whoever reads them does not learn the key."""
        return hashlib.sha256(self.session_key.encode()).hexdigest()[:16]

    @property
    def device(self) -> str:
        return device_of(self.user_agent)
