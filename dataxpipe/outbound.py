"""Requests to addresses that somebody configured, and that could as well name something inside of our network.

A name is resolved once and the connection goes to that address: a second answer of the name server changes nothing.
Private, loopback and link-local addresses are refused unless `DATAXPIPE_OUTBOUND_ALLOWED` lists them, redirects are
not followed, and an answer has 3 seconds and 64 kB. Proxies of the environment are not used.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

DEADLINE_SECONDS = 3
MAX_BYTES = 64 * 1024
# What else of IPv6 counts as global leads inside: local translators to IPv4, site-local addresses.
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundRefused(Exception):
    """The address was not asked, or gave no usable answer; the message says why, and nothing of what it answered."""


def get_json(url: str) -> Any:
    """The JSON document at an https address, plain http where the operator allows it. Raises `OutboundRefused`."""
    try:
        return json.loads(_get(url))
    except (ValueError, RecursionError):
        raise OutboundRefused(f"{url} does not answer with JSON.") from None


def require_address(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path of an address that could be asked, without asking anybody."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise OutboundRefused("This is no address.") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
        raise OutboundRefused("An address begins with https:// and names a host.")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise OutboundRefused("An address has printable ASCII characters alone.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, parts.hostname, port, path


def require_public_host(url: str) -> None:
    """For clients of others that resolve the name themselves. Raises `OutboundRefused`."""
    scheme, host, port, _ = require_address(url)
    address = _resolve(host, port)
    if scheme == "http" and not _is_allowed_by_operator(address):
        raise OutboundRefused(f"{host} is asked over https alone.")


def _get(url: str) -> bytes:
    scheme, host, port, path = require_address(url)
    address = _resolve(host, port)
    if scheme == "http" and not _is_allowed_by_operator(address):
        raise OutboundRefused(f"{host} is asked over https alone.")
    connection = _connection(scheme, host, port, address)
    deadline: threading.Timer | None = None
    try:
        connection.connect()
        # One timer for the answer as a whole: the socket's own begins anew with every byte that drips in.
        deadline = threading.Timer(DEADLINE_SECONDS, _cut, [connection.sock])
        deadline.daemon = True
        deadline.start()
        connection.request("GET", path, headers={"Accept": "application/json", "User-Agent": "DataXPipe"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise OutboundRefused(f"{host} answers {answer.status}.")
        body = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException):
        raise OutboundRefused(f"{host} cannot be reached, or takes longer than {DEADLINE_SECONDS} seconds.") from None
    finally:
        if deadline is not None:
            deadline.cancel()
        connection.close()
    if len(body) > MAX_BYTES:
        raise OutboundRefused(f"{host} answers with more than 64 kB.")
    return body


def _connection(scheme: str, host: str, port: int, address: Address) -> http.client.HTTPConnection:
    if scheme == "http":
        connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_SECONDS)
    else:
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=DEADLINE_SECONDS, context=context)

    def to_the_resolved_address(_: Any, timeout: Any = None, source: Any = None) -> socket.socket:
        return socket.create_connection((str(address), port), timeout=DEADLINE_SECONDS)

    # http.client's own place for it: the name goes on into `Host` and into the check of the certificate.
    connection._create_connection = to_the_resolved_address  # type: ignore[attr-defined]
    return connection


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it may just have ended by itself
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, which another thread is reading


def _resolve(host: str, port: int) -> Address:
    """The first address of a host all of whose addresses may be asked."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundRefused(f"{host} has no address.") from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not addresses or not all(_is_public(address) or _is_allowed_by_operator(address) for address in addresses):
        raise OutboundRefused(f"{host} is an address of a private network; an operator can allow it.")
    return addresses[0]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo or [None, None])[1]
        if embedded is None and address in ipaddress.ip_network("64:ff9b::/96"):
            embedded = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if embedded is not None:
            return _is_public(embedded)
        if address not in GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast


def _is_allowed_by_operator(address: Address) -> bool:
    return any(address in network for network in settings.OUTBOUND_ALLOWED)
