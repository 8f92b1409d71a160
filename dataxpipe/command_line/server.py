"""The server of `DATAXPIPE_URL`, asked with the key of `DATAXPIPE_API_KEY`."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from dataxpipe.command_line.command import CannotAsk

TIMEOUT_SECONDS = 30


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would carry the key along to whatever host a redirect names."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Server:
    url: str
    api_key: str

    def get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        """The JSON of `/api/v1<path>`; raises `CannotAsk` for everything that is no answer."""
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        request = urllib.request.Request(  # noqa: S310 - `server_of` let http and https through alone
            f"{self.url}/api/v1{path}" + (f"?{query}" if query else ""),
            headers={"X-API-KEY": self.api_key, "Accept": "application/json", "User-Agent": "dataxpipe-command-line"},
        )
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            raise CannotAsk(_reason(refusal)) from None
        except urllib.error.URLError as failure:
            raise CannotAsk(f"{self.url} cannot be reached: {failure.reason}") from None
        except (OSError, http.client.HTTPException) as failure:
            raise CannotAsk(f"{self.url} cannot be reached: {failure or type(failure).__name__}") from None
        except ValueError:
            raise CannotAsk(f"{self.url} did not answer as a DataXPipe server does. Is DATAXPIPE_URL right?") from None


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="address of the server; else DATAXPIPE_URL")


def server_of(options: argparse.Namespace) -> Server:
    """From the options and the environment. A key is never an argument: the list of processes would show it."""
    url = (options.url or os.environ.get("DATAXPIPE_URL", "")).rstrip("/")
    if not url:
        raise CannotAsk("Set DATAXPIPE_URL to the address of your server, for example https://catalog.example.com.")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise CannotAsk(f"{url} is no address: begin with https:// or http://.")
    api_key = os.environ.get("DATAXPIPE_API_KEY", "").strip()
    if not api_key:
        raise CannotAsk("Set DATAXPIPE_API_KEY to an API key of your organization.")
    if not (api_key.isascii() and api_key.isprintable()):
        raise CannotAsk("DATAXPIPE_API_KEY is no API key: they begin with dxp_.")
    return Server(url, api_key)


def _reason(refusal: urllib.error.HTTPError) -> str:
    """What the server says of it, in its problem's own words."""
    try:
        problem = json.load(refusal)
        return f"{problem['title']} ({refusal.code}): {problem['detail']}"
    except (ValueError, LookupError, TypeError, OSError):
        return f"the server answered {refusal.code} {refusal.reason}"
