"""Sessions that know whose they are: the engine named in `SESSION_ENGINE`, and the middleware that feeds it.

Where a session is used from and when is kept beside it, so that people can see and end their sessions.
"""

from __future__ import annotations

import datetime
from typing import Any

from django.contrib import auth
from django.contrib.sessions.backends.base import UpdateError as UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from orgs.actors import client_address
from orgs.models import Session

# Under this name stands who has given the password and still has to show the second factor.
FIRST_STEP = "first_step"
# How exact `last_seen_at` is: one write in this time, however many pages are opened.
SEEN_EVERY = datetime.timedelta(minutes=5)


class SessionStore(DatabaseStore):
    """`row` is the session as it was loaded or saved last; `seen_from` the address and agent of the request."""

    row: Session | None = None
    seen_from: tuple[str | None, str] | None = None

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        self.row = super()._get_session_from_db()  # type: ignore[misc]
        return self.row

    def create(self) -> None:
        self.row = None
        super().create()

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        row: Session = super().create_model_instance(data)  # type: ignore[assignment]
        row.user_id = data.get(auth.SESSION_KEY)
        row.signed_in_at = self.row.signed_in_at if self.row else timezone.now()
        row.last_seen_at = timezone.now()
        row.ip_address, row.user_agent = self._seen_from()
        self.row = row
        return row

    def note_seen(self) -> None:
        """Brings the row up to date unless it nearly is; a session that was ended meanwhile stays ended."""
        if self.row is None or self.row.user_id is None or self.row.last_seen_at > timezone.now() - SEEN_EVERY:
            return
        ip_address, user_agent = self._seen_from()
        Session.objects.filter(session_key=self.row.session_key).update(
            last_seen_at=timezone.now(), ip_address=ip_address, user_agent=user_agent
        )

    def _seen_from(self) -> tuple[str | None, str]:
        if self.seen_from is None and self.row is not None:
            return self.row.ip_address, self.row.user_agent
        return self.seen_from or (None, "")


class SessionMiddleware(DjangoSessionMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        agent = request.headers.get("User-Agent", "")[:400]
        request.session.seen_from = client_address(request), agent  # type: ignore[attr-defined]

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not request.session.modified and response.status_code < 500:
            request.session.note_seen()  # type: ignore[attr-defined]
        return super().process_response(request, response)
