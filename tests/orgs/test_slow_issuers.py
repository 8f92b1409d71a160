"""Issuers that are slow on purpose hold some threads of a process and not all."""

import threading
import time

import pytest

from dataxpipe.problems import ServiceUnavailable
from orgs import issuers


@pytest.fixture
def slow_issuers(monkeypatch):
    """Everybody who asks waits until the test is over; as many as may ask at once do already."""
    let_go, are_asking = threading.Event(), threading.Semaphore(0)

    def answer(url):
        are_asking.release()
        assert let_go.wait(20)
        raise issuers.OutboundRefused("slow")

    def ask(issuer):
        with pytest.raises(issuers.TokenRefused):
            issuers.discovered(issuer)

    monkeypatch.setattr(issuers, "get_json", answer)
    issuers.forget_keys()
    names = [f"https://slow-{number}.example" for number in range(issuers.ASKING_AT_ONCE)]
    waiting = [threading.Thread(target=ask, args=[name]) for name in names]
    for thread in waiting:
        thread.start()
        assert are_asking.acquire(timeout=20)
    yield
    let_go.set()
    for thread in waiting:
        thread.join(20)
    issuers.forget_keys()


def test_one_more_is_told_to_come_back_and_does_not_wait_for_them(slow_issuers):
    begun = time.monotonic()
    with pytest.raises(ServiceUnavailable) as refusal:
        issuers.discovered("https://another.example")
    assert time.monotonic() - begun < 3
    assert refusal.value.headers == {"Retry-After": "1"}


def test_old_keys_serve_meanwhile(slow_issuers):
    known = issuers._known("https://ours.example")
    known.document = {"token_endpoint": "https://ours.example/token"}
    known.answered_at = time.monotonic() - issuers.KEYS_KEPT_SECONDS - 1
    assert issuers.discovered("https://ours.example")["token_endpoint"] == "https://ours.example/token"
