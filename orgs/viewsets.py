"""The base of every API viewset: authentication, right, scope, strictness and rollback, in this order."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import Any, ClassVar

from django.db import Error
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from dataxpipe.pagination import Page, paginate
from dataxpipe.parsing import Negotiation, StrictJsonParser
from dataxpipe.postgres.prepared import prepared_statements
from dataxpipe.problems import FieldError, MethodNotAllowed, RateLimited, UnknownParameter
from dataxpipe.rendering import problem_of_database
from orgs.actors import Actor, client_address
from orgs.authentication import note_use
from orgs.fair_share import TooManyAtOnce, fair_share
from orgs.floods import note_refusal
from orgs.models import Organization, User
from orgs.permissions import Right
from orgs.services.key_uses import Caller, record_use
from orgs.services.usage.counts import count_request, counted_for
from orgs.standing import require_standing
from orgs.tenancy import is_scope_open, roll_back, tenant_scope
from orgs.throttling import Allowance, EventBudgetExhausted

logger = logging.getLogger(__name__)


class TenantViewSet(GenericViewSet):  # type: ignore[type-arg]
    """Runs each action inside the scope of the credential's organization.

    `rights` names the right of every action, `parameters` the query parameters it knows. Any answer from 400
    on rolls the transaction back. Without `has_scope` the services open what scopes they need; `unscoped_actions`
    open their own, so that they can be repeated in another. `ingest_actions` draw on the budget of events, the others
    on that of requests. `exporting_actions` are POSTs that a suspended organization may make; with `can_wait` what is
    sent during a move is taken and applied afterwards.
    """

    parser_classes = [StrictJsonParser]
    content_negotiation_class = Negotiation
    lookup_value_regex = "[^/]+"
    rights: ClassVar[dict[str, Right]] = {}
    parameters: ClassVar[dict[str, set[str]]] = {}
    paged_actions: ClassVar[set[str]] = {"list"}
    unscoped_actions: ClassVar[set[str]] = set()
    ingest_actions: ClassVar[set[str]] = set()
    has_scope: ClassVar[bool] = True
    exporting_actions: ClassVar[set[str]] = set()
    can_wait: ClassVar[bool] = False

    _scope: ExitStack
    _authenticated: Actor | None = None
    _allowance: Allowance | None = None
    _callers: set[Caller]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        self._callers = set()
        try:
            with ExitStack() as self._scope:
                response = super().dispatch(request, *args, **kwargs)
        except Error as error:
            response = self._refused_at_commit(error)
        if response.status_code < 500:
            self._note_use()
            if self._authenticated and not self._authenticated.is_operator and response.status_code != 429:
                api_key, is_report = self._authenticated.api_key, self.action in self.ingest_actions
                count_request(self.organization, api_key, is_report=is_report)
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action is None:
            raise MethodNotAllowed(f"{request.method} is not offered here.")
        if self.action in self.ingest_actions:
            self._scope.enter_context(prepared_statements())
        super().initial(request, *args, **kwargs)
        self._refuse_unknown_parameters(request)
        self._require_standing()
        if self.has_scope and self.action not in self.unscoped_actions:
            _ = self.organization.parent  # read while the scope does not hide it; only sub-organizations have one
            self._scope.enter_context(tenant_scope(self.organization))

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        self._authenticated = request.auth  # type: ignore[assignment]
        self._scope.enter_context(counted_for(self.actor.api_key))
        self._draw()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if response.status_code >= 400 and is_scope_open():
            roll_back()
        response = super().finalize_response(request, response, *args, **kwargs)
        if isinstance(getattr(response, "problem", None), (EventBudgetExhausted, TooManyAtOnce)):
            response._has_been_logged = True  # 503, but no fault of ours, and as often as somebody likes
        for name, value in self._allowance.headers().items() if self._allowance else ():
            response[name] = value
        return response

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """The header `Allow` says it all; `/api/v1/schema` describes the methods."""
        return Response(status=204)

    @property
    def actor(self) -> Actor:
        return self.request.auth  # type: ignore[return-value]

    @property
    def person(self) -> User | None:
        """Who sends an identity provider's token; None for keys, which belong to nobody."""
        return self.request.user if self.actor.kind == "person" else None  # type: ignore[return-value]

    @property
    def organization(self) -> Organization:
        return self.request._request.organization  # type: ignore[attr-defined, no-any-return]

    def note_caller(self, *, namespace: str, root_name: str = "", producer: str = "") -> None:
        """Says for which jobs the key was used; without it only the client and its address are remembered."""
        self._callers.add(self._caller(namespace, root_name, producer))

    def draw_events(self, count: int) -> None:
        """For a batch, as soon as it is known how many it holds. Raises `EventBudgetExhausted`."""
        if self._allowance is not None:
            self._allowance.draw_events(count)

    def right(self) -> Right:
        return self.rights[self.action]

    def page(self, queryset: Any, order: list[str]) -> Page:
        request = self.request
        return paginate(
            queryset,
            order=order,
            parameters=request.query_params,
            owner=self.organization.pk,
            path=request.build_absolute_uri(request.path),
        )

    def _require_standing(self) -> None:
        reads = self.request.method in SAFE_METHODS or self.right() is Right.PLAN
        exports = self.action in self.exporting_actions
        require_standing(self.organization, changes=not reads, exports=exports, can_wait=self.can_wait)

    def _draw(self) -> None:
        """Right after authentication, so that what is over a limit costs nothing else; then takes a turn."""
        allowance = self._allowance = Allowance(self.organization)
        try:
            allowance.draw_events(1) if self.action in self.ingest_actions else allowance.draw_request()
        except (RateLimited, EventBudgetExhausted) as refusal:
            note_refusal(
                self.request.META,
                organization=self.organization,
                actor=self.actor,
                problem=refusal,
                headers=allowance.headers(),
            )
            raise
        self._scope.enter_context(fair_share.turn(self.organization.pk))

    def _refuse_unknown_parameters(self, request: Request) -> None:
        known = self.parameters.get(self.action, set())
        if self.action in self.paged_actions:
            known = known | {"cursor", "limit"}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            known_here = ", ".join(sorted(known)) or "none"
            errors = [FieldError("unknown", f"Known here: {known_here}.", parameter=name) for name in unknown]
            raise UnknownParameter(f"Unknown query parameter: {', '.join(unknown)}.", errors=errors)

    def _refused_at_commit(self, error: Error) -> Response:
        """Deferred keys fail when the scope commits, after the action has answered."""
        problem = problem_of_database(error)
        if problem is None:
            raise error
        response = Response(
            problem.as_dict(),
            status=problem.status,
            headers=problem.headers,
            content_type="application/problem+json",
        )
        finalized: Response = self.finalize_response(self.request, response)
        return finalized

    def _note_use(self) -> None:
        api_key = self._authenticated.api_key if self._authenticated else None
        if api_key is None:
            return
        try:
            note_use(api_key)
            for caller in self._callers or [self._caller()]:
                record_use(api_key=api_key, caller=caller)
        except Error:
            logger.exception("a use of the key %s was not counted", api_key.pk)  # what it was used for is done

    def _caller(self, namespace: str = "", root_name: str = "", producer: str = "") -> Caller:
        agent = self.request.headers.get("User-Agent", "").partition(" ")[0]
        return Caller(namespace, root_name, producer or agent, client_address(self.request._request))
