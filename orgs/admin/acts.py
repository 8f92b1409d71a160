"""What staff can do to a row: a form with a reason, and a service that does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from dataxpipe.problems import NotFound, Problem
from orgs.actors import Actor
from orgs.admin_site import StaffModelAdmin
from orgs.models import User
from orgs.proof import recently_proven


def always(row: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Act:
    """`do` gets the row, the form's values, the actor and the person; it answers what is said, or where to go on."""

    label: str
    form: Callable[..., forms.Form]
    do: Callable[[Any, Mapping[str, Any], Actor, User], str | HttpResponse]
    about: str
    is_offered: Callable[[Any], bool] = always


class ActingModelAdmin(StaffModelAdmin):
    """Offers acts as buttons on the page of a row."""

    acts: Mapping[str, Act] = {}

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(recently_proven(panels=())(require_http_methods(["GET", "POST"])(self.act)))
        return [*super().get_urls(), path("<int:pk>/<slug:act>/", view, name=name)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        offered = [(name, act) for name, act in self.acts.items() if row is not None and act.is_offered(row)]
        context = {"acts": [(act.label, self._address(row, name)) for name, act in offered]}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def act(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        row, chosen = get_object_or_404(self.get_queryset(request), pk=pk), self.acts.get(act)
        if chosen is None or not chosen.is_offered(row):
            raise NotFound
        form = chosen.form(request.POST if request.method == "POST" else None, row=row)
        if request.method == "POST" and form.is_valid():
            person = cast("User", request.user)
            try:
                said = chosen.do(row, form.cleaned_data, Actor.of_staff(person, request), person)
            except Problem as refusal:
                form.add_error(None, refusal.detail)
            else:
                return said if isinstance(said, HttpResponse) else self._done(request, row, said)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"{chosen.label}: {row}"}
        context |= {"form": form, "act": chosen, "original": row, "back": self._page(row)}
        return render(request, "admin/act.html", context, status=400 if form.errors else 200)

    def _done(self, request: HttpRequest, row: Any, said: str) -> HttpResponse:
        messages.success(request, said)
        return redirect(self._page(row))

    def _page(self, row: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def _address(self, row: Any, name: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_act", args=[row.pk, name])


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, widget=forms.TextInput(attrs={"size": 60}))

    def __init__(self, *args: Any, row: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
