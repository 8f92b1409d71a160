"""A small load generator: persistent connections, each sending its next request when the last one is answered.

It reads no more of HTTP than it needs (status and Content-Length), because it shares the machine with the server.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Request:
    """`events` is how many things it carries, for rates."""

    method: str
    path: str
    body: bytes = b""
    events: int = 1
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


@dataclass(slots=True)
class Sample:
    """Seconds of each answered request, and how long and with what result it all went."""

    seconds: list[float] = field(default_factory=list)
    events: int = 0
    elapsed: float = 0.0
    refused: dict[int, int] = field(default_factory=dict)
    refusal: bytes = b""

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def rate(self) -> float:
        return self.events / self.elapsed if self.elapsed else float("nan")


class Client:
    """One connection, opened again when the server has closed it."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self.port = port
        self.headers = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items())
        self.socket: socket.socket | None = None

    def send(self, request: Request) -> Answer:
        head = f"{request.method} {request.path} HTTP/1.1\r\n{self.headers}"
        if request.body:
            head += f"Content-Type: {request.content_type}\r\nContent-Length: {len(request.body)}\r\n"
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(head.encode() + b"\r\n" + request.body)
        return self._receive(self.socket)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def _receive(self, connected: socket.socket) -> Answer:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(connected)
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        lines = head.lower().split(b"\r\n")
        # An answer without a length has no body (204), or ends with the connection.
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        parts, missing = [body], length - len(body)
        while missing > 0:
            parts.append(self._more(connected))
            missing -= len(parts[-1])
        if b"connection: close" in lines:
            self.close()
        return Answer(status, b"".join(parts))

    def _more(self, connected: socket.socket) -> bytes:
        received = connected.recv(262_144)
        if not received:
            self.close()
            raise ConnectionError("The server closed the connection in the middle of an answer.")
        return received


def load(
    port: int,
    headers: Mapping[str, str],
    make: Callable[[int], Request],
    *,
    clients: int,
    seconds: float,
    at_most: int = 1_000_000,
    warm_up: int = 3,
) -> Sample:
    """Sends `make(0)`, `make(1)`, … from `clients` connections until the time is over or `at_most` are answered.

    Each connection first sends `warm_up` requests that do not count.
    """
    sample, lock, numbers = Sample(), threading.Lock(), iter(range(at_most + clients * warm_up))
    ready = threading.Barrier(clients + 1)
    failures: list[BaseException] = []

    def work() -> None:
        client, mine, events = Client(port, headers), [], 0
        try:
            for _ in range(warm_up):
                client.send(make(_next(numbers, lock)))
            ready.wait()
            end = time.perf_counter() + seconds
            while time.perf_counter() < end and (number := _next(numbers, lock)) >= 0:
                request = make(number)
                before = time.perf_counter()
                answer = client.send(request)
                mine.append(time.perf_counter() - before)
                if answer.status >= 400:
                    sample.refused[answer.status] = sample.refused.get(answer.status, 0) + 1
                    sample.refusal = answer.body
                else:
                    events += request.events
        except BaseException as error:  # told by the caller's thread
            failures.append(error)
            ready.abort()
        finally:
            client.close()
            with lock:
                sample.seconds += mine
                sample.events += events

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    with _ignoring_broken():
        ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    sample.elapsed = time.perf_counter() - started
    if failures:
        raise next((error for error in failures if not isinstance(error, threading.BrokenBarrierError)), failures[0])
    return sample


def _ignoring_broken() -> contextlib.suppress:
    return contextlib.suppress(threading.BrokenBarrierError)


def _next(numbers: Iterator[int], lock: threading.Lock) -> int:
    with lock:
        return next(numbers, -1)
