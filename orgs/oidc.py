"""Logging in at the operator's identity provider (OpenID Connect), and its tokens at the API.

mozilla-django-oidc carries the code flow: state, nonce and PKCE. Its own check of tokens takes any audience and any
issuer and fetches keys at every login, so that part is ours (`orgs.issuers`), as are time-outs and redirects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.utils.crypto import constant_time_compare
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings
from mozilla_django_oidc.views import OIDCAuthenticationRequestView

from dataxpipe.outbound import MAX_BYTES, OutboundRefused, require_public_host
from dataxpipe.problems import Forbidden, NotFound, Problem
from orgs import issuers
from orgs.actors import Actor
from orgs.issuers import TokenRefused
from orgs.models import Membership, User
from orgs.permissions import Role
from orgs.services.oidc_identities import Identity, linked_person, person_of_identity

# mozilla-django-oidc's names of what the discovery document tells.
ENDPOINTS = {
    "OIDC_OP_AUTHORIZATION_ENDPOINT": "authorization_endpoint",
    "OIDC_OP_TOKEN_ENDPOINT": "token_endpoint",
    "OIDC_OP_USER_ENDPOINT": "userinfo_endpoint",
    "OIDC_OP_JWKS_ENDPOINT": "jwks_uri",
}
# What can be wrong with an identity provider or with what it says.
FAILURES = (Problem, SuspiciousOperation, OutboundRefused, requests.RequestException, ValueError, KeyError)


class OrganizationNeeded(Problem):
    slug = "organization-needed"
    title = "Say which organization is meant"
    about = "A person may belong to several organizations. Name one by its slug in the header `X-Organization`."


def is_configured() -> bool:
    return bool(settings.OIDC_ISSUER)


def setting(name: str, *default: Any) -> Any:
    """From the discovery document what stands there, everything else from the settings."""
    if name not in ENDPOINTS:
        return import_from_settings(name, *default)
    return issuers.discovered(settings.OIDC_ISSUER).get(ENDPOINTS[name])


class OidcRequestView(OIDCAuthenticationRequestView):  # type: ignore[misc]
    get_settings = staticmethod(setting)


class OidcBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """For the callback alone and not in AUTHENTICATION_BACKENDS: a wrong password is none of its business."""

    get_settings = staticmethod(setting)

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        client_id = settings.OIDC_RP_CLIENT_ID
        claims = issuers.verify(token, issuer=settings.OIDC_ISSUER, audiences=[client_id]).claims
        is_for_many = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if is_for_many else client_id) != client_id:
            raise TokenRefused("The token was made for another client.")
        nonce = kwargs.get("nonce")
        if not nonce or not constant_time_compare(str(claims.get("nonce", "")), nonce):
            raise TokenRefused("The token belongs to another login.")
        return dict(claims)

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        require_public_host(self.OIDC_OP_TOKEN_ENDPOINT)
        answer = requests.post(
            self.OIDC_OP_TOKEN_ENDPOINT, data=payload, timeout=settings.OIDC_TIMEOUT, allow_redirects=False
        )
        return _object_of(answer)

    def get_userinfo(self, access_token: str, id_token: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """The claims of the token; where it names no address those of the user endpoint, for the same person."""
        if "email" in payload:
            return dict(payload)
        require_public_host(self.OIDC_OP_USER_ENDPOINT)
        answer = requests.get(
            self.OIDC_OP_USER_ENDPOINT,
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=settings.OIDC_TIMEOUT,
            allow_redirects=False,
        )
        claims = _object_of(answer)
        if claims.get("sub") != payload["sub"]:
            raise SuspiciousOperation("the user endpoint speaks of somebody else")
        return {**claims, "iss": payload["iss"]}

    def get_or_create_user(self, access_token: str, id_token: str, payload: Mapping[str, Any]) -> User:
        claims = self.get_userinfo(access_token, id_token, payload)
        is_verified = claims.get("email_verified") in (True, "true")
        identity = Identity(
            issuer=str(payload["iss"]),
            subject=str(payload["sub"]),
            email=str(claims["email"]) if is_verified and claims.get("email") else "",
            name=str(claims.get("name") or ""),
        )
        return person_of_identity(identity=identity, visitor=Actor.visitor(self.request))


def _object_of(answer: requests.Response) -> dict[str, Any]:
    if answer.status_code != 200 or len(answer.content) > MAX_BYTES:
        raise SuspiciousOperation(f"the identity provider answers {answer.status_code}")
    document = answer.json()
    if not isinstance(document, dict):
        raise SuspiciousOperation("the identity provider answers with something else")
    return document


def authenticate_person(text: str, *, request: Any) -> tuple[User, Actor]:
    """Who sends this token to the API, and in which organization; sets it on the request.

    Raises `TokenRefused`, `OrganizationNeeded` with the slugs, `NotFound` for an organization of others.
    """
    token = issuers.verify(text, issuer=settings.OIDC_ISSUER, audiences=settings.OIDC_API_AUDIENCES)
    user = linked_person(token.issuer, token.subject)
    if user is None or not user.is_active:
        raise TokenRefused("No account belongs to this identity. Log in in the browser once.")
    membership = _membership(user, request.headers.get("X-Organization"))
    organization = membership.organization
    if organization.requires_second_factor and not user.has_second_factor:
        raise Forbidden(f"{organization.slug} asks for a second factor: set one up under Account.")
    request.organization = organization
    request.actor = Actor.of_person(user, Role(membership.role), request)
    return user, request.actor


def _membership(user: User, slug: str | None) -> Membership:
    memberships = {m.organization.slug: m for m in user.memberships.select_related("organization")}
    if slug is not None:
        if slug not in memberships:
            raise NotFound("You are a member of no organization with this slug.")
        return memberships[slug]
    if len(memberships) != 1:
        slugs = sorted(memberships)
        detail = f"Send X-Organization: one of {', '.join(slugs)}." if slugs else "You belong to no organization yet."
        raise OrganizationNeeded(detail, organizations=slugs)
    return next(iter(memberships.values()))
