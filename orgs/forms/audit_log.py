from __future__ import annotations

import datetime
from typing import Any

from django import forms

from orgs.audit import Action

DAY = {"type": "date", "class": "form-control fit"}


class AuditFilterForm(forms.Form):
    """What narrows the audit log. A value that makes no sense narrows nothing, as on every page."""

    action = forms.ChoiceField(
        required=False,
        choices=[("", "All actions"), *((action.value, action.value) for action in Action)],
        widget=forms.Select(attrs={"class": "form-select fit"}),
    )
    actor = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    target = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)
    since = forms.DateField(
        required=False, label="From", widget=forms.DateInput(attrs={"type": "date", "class": "form-control fit"})
    )
    until = forms.DateField(
        required=False, label="To", widget=forms.DateInput(attrs={"type": "date", "class": "form-control fit"})
    )

    def exact(self) -> dict[str, str | None]:
        self.is_valid()
        values = {"action": "action", "actor_id": "actor", "target_id": "target"}
        return {column: self.cleaned_data.get(name) or None for column, name in values.items()}

    def period(self) -> tuple[datetime.datetime | None, datetime.datetime | None]:
        """From the start of the first day to the end of the last one, in UTC."""
        self.is_valid()
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        return _midnight(since), _midnight(until + datetime.timedelta(days=1) if until else None)


class EraseForm(forms.Form):
    confirmation = forms.CharField(label="Their e-mail address", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_confirmation(self) -> str:
        confirmation: str = self.cleaned_data["confirmation"]
        if confirmation.strip().lower() != self.email:
            raise forms.ValidationError("This is not the address of the person.", code="invalid")
        return confirmation


def _midnight(day: datetime.date | None) -> datetime.datetime | None:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC) if day else None
