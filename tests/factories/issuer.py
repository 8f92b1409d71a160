"""An OpenID issuer like GitHub's, served over real HTTP on the loopback address: discovery, keys, signed tokens."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

RSA_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)]
SMALL_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
OTHER_KEYS = {"ES256": ec.generate_private_key(ec.SECP256R1()), "EdDSA": ed25519.Ed25519PrivateKey.generate()}

Answer = Callable[[BaseHTTPRequestHandler], None]


def jwk_of(private_key: Any, key_id: str | None, algorithm: str) -> dict[str, Any]:
    algorithm_class: Any = jwt.get_algorithm_by_name(algorithm)
    public = algorithm_class.to_jwk(private_key.public_key(), as_dict=True)
    return {**public, "use": "sig", "alg": algorithm} | ({"kid": key_id} if key_id else {})


class Issuer:
    """`keys` are what it publishes, `asked` the paths it was asked for; `answers` replaces what a path gives."""

    def __init__(self) -> None:
        self.keys = [jwk_of(RSA_KEYS[0], "first", "RS256")]
        self.asked: list[str] = []
        self.answers: dict[str, Answer] = {}
        self.posted: list[dict[str, str]] = []
        self.discovery: dict[str, Any] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                if self.path in issuer.answers:
                    issuer.answers[self.path](self)
                else:
                    issuer._answer(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                issuer.posted.append(dict(parse_qsl(body)))
                issuer.asked.append(self.path)
                issuer.answers[self.path](self)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        documents = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/.well-known/jwks",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "subject_types_supported": ["public", "pairwise"],
                "response_types_supported": ["id_token"],
                "id_token_signing_alg_values_supported": ["RS256"],
                **self.discovery,
            },
            "/.well-known/jwks": {"keys": self.keys},
        }
        document = documents.get(handler.path)
        give(handler, 200 if document else 404, json.dumps(document).encode())

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What GitHub puts into the token of a push to main; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "jti": str(uuid.uuid4()),
            "sub": "repo:acme/data:ref:refs/heads/main",
            "aud": "https://catalog.example.com",
            "iss": self.url,
            "iat": now,
            "nbf": now - 300,
            "exp": now + 300,
            "ref": "refs/heads/main",
            "repository": "acme/data",
            "repository_owner": "acme",
            "run_id": "101",
            "event_name": "push",
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, *, key: Any = RSA_KEYS[0], algorithm: str = "RS256", header: dict[str, Any] | None = None, **changed: Any
    ) -> str:
        return jwt.encode(self.claims(**changed), key, algorithm, {"kid": "first"} if header is None else header)


def give(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
