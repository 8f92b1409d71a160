"""Bodies sent in chunks (RFC 9112 section 7.1), as HTTP clients do that compress while they send."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


def with_chunked_bodies(application: Application, *, limit: int) -> Application:
    """The WSGI application with chunked bodies read whole: Django takes a body without a length as empty.

    Of a body over the limit in bytes one byte more is read, so that Django refuses it by its length.
    """

    def read_then_answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("wsgi.input_terminated") and "HTTP_TRANSFER_ENCODING" in environ:
            body = environ["wsgi.input"].read(limit + 1)
            environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return read_then_answer
