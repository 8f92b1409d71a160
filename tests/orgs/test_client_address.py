import ipaddress

import pytest
from django.test import RequestFactory

from orgs.actors import client_address


def address_of(peer: str, forwarded: str = "") -> str | None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


@pytest.fixture
def proxies(settings):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")]


def test_without_trusted_proxies_the_peer_is_the_caller():
    assert address_of("192.0.2.7", forwarded="198.51.100.1") == "192.0.2.7"


def test_a_trusted_proxy_names_the_caller(proxies):
    assert address_of("10.0.0.1", forwarded="198.51.100.1") == "198.51.100.1"
    assert address_of("::1", forwarded="2001:db8::5") == "2001:db8::5"


def test_what_the_caller_wrote_itself_is_not_believed(proxies):
    assert address_of("10.0.0.1", forwarded="203.0.113.9, 198.51.100.1") == "198.51.100.1"
    assert address_of("10.0.0.1", forwarded="203.0.113.9, 198.51.100.1, 10.0.0.2") == "198.51.100.1"


def test_a_stranger_cannot_pose_as_a_proxy(proxies):
    assert address_of("192.0.2.7", forwarded="10.0.0.2") == "192.0.2.7"


def test_a_proxy_on_a_unix_socket_is_trusted_once_proxies_are_named(proxies):
    assert address_of("", forwarded="198.51.100.1") == "198.51.100.1"


@pytest.mark.parametrize("forwarded", ["", "unknown", "198.51.100.1:443", "<script>"])
def test_nonsense_names_nobody(proxies, forwarded):
    assert address_of("10.0.0.1", forwarded=forwarded) == "10.0.0.1"


def test_the_zone_of_a_link_local_address_is_left_out(proxies):
    assert address_of("fe80::1%eth0") == "fe80::1"
    assert address_of("10.0.0.1", forwarded="fe80::1%eth0") == "fe80::1"
