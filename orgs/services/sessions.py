"""Ending sessions of a person: whoever holds one is logged out at the next request."""

from __future__ import annotations

from django.db import transaction

from dataxpipe.problems import NotFound
from orgs.actors import Actor
from orgs.audit import Action
from orgs.models import Session, User
from orgs.services.account_audit import record_everywhere


def end_session(*, user: User, handle: str, actor: Actor) -> Session:
    """One of the person's own, by its handle. Raises `NotFound`."""
    with transaction.atomic():
        running: list[Session] = list(user.sessions.running())
        session = next((session for session in running if session.handle == handle), None)
        if session is None:
            raise NotFound("None of your sessions is this one. It may have ended already.")
        session.delete()
        record_everywhere(Action.MEMBER_SESSIONS_ENDED, actor, user=user, after={"sessions": 1})
    return session


def end_other_sessions(*, user: User, session_key: str | None, actor: Actor) -> int:
    """All but the one with this key; says how many."""
    with transaction.atomic():
        count = forget_other_sessions(user, session_key)
        if count:
            record_everywhere(Action.MEMBER_SESSIONS_ENDED, actor, user=user, after={"sessions": count})
    return count


def forget_other_sessions(user: User, session_key: str | None) -> int:
    """For changes that end them by the way and are remembered themselves."""
    return int(user.sessions.exclude(session_key=session_key).delete()[0])
