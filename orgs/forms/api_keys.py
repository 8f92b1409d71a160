from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.utils import timezone

from orgs.forms.comma_separated import CommaSeparatedField
from orgs.forms.refusals import RefusableForm
from orgs.permissions import EVERYDAY_SCOPES, PRESETS, SCOPES
from orgs.services.api_keys import DEFAULT_OVERLAP, Limits

DAY = 24 * 3600
CUSTOM = "custom"
PRESET_CHOICES = [
    ("everyday", "Everyday: register pipelines, report runs, read"),
    ("orchestrator", "Orchestrator: report runs, results and events"),
    ("ci", "CI: plan, read and register pipelines"),
    ("full", "Full: everything a key may do"),
    (CUSTOM, "Choose the scopes"),
]
LIFETIME_DAYS = (30, 90, 180, 365)
OVERLAPS = [
    (0, "Not at all", "stops at once"),
    (DAY, "24 hours", ""),
    (7 * DAY, "7 days", ""),
    (30 * DAY, "30 days", ""),
]


class NewKeyForm(RefusableForm):
    name = forms.CharField(
        max_length=100,
        help_text="What uses it, so that you know later: airflow-prod, github-actions.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    preset = forms.ChoiceField(label="It may", choices=PRESET_CHOICES, initial="everyday", widget=forms.RadioSelect)
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        required=False,
        help_text="Only with “Choose the scopes”.",
        widget=forms.CheckboxSelectMultiple,
    )
    lifetime = forms.ChoiceField(label="Expires after", initial="365", required=False)
    allowed_cidrs = CommaSeparatedField(
        label="Only from addresses", help_text="Ranges like 10.4.0.0/16, with commas between; empty is everywhere."
    )
    allowed_namespaces = CommaSeparatedField(
        label="Only namespaces", help_text="With commas between; empty is every namespace."
    )

    def __init__(self, *args: Any, max_age: datetime.timedelta | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lifetime: Any = self.fields["lifetime"]
        allowed = [days for days in LIFETIME_DAYS if max_age is None or days <= max_age.days]
        lifetime.choices = [(str(days), f"{days} days") for days in allowed] + ([] if max_age else [("", "never")])
        lifetime.initial = str(allowed[-1])
        lifetime.required = max_age is not None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("preset") == CUSTOM and not cleaned.get("scopes"):
            self.add_error("scopes", "Choose at least one.")
        return cleaned

    def limits(self) -> Limits:
        preset, days = self.cleaned_data["preset"], self.cleaned_data["lifetime"]
        by_preset = {**PRESETS, "everyday": EVERYDAY_SCOPES}
        return Limits(
            scopes=by_preset.get(preset) or tuple(self.cleaned_data["scopes"]),
            expires_at=timezone.now() + datetime.timedelta(days=int(days)) if days else None,
            allowed_cidrs=self.cleaned_data["allowed_cidrs"],
            allowed_namespaces=self.cleaned_data["allowed_namespaces"],
        )


class RotateKeyForm(forms.Form):
    overlap_seconds = forms.TypedChoiceField(
        choices=[(seconds, label) for seconds, label, _ in OVERLAPS],
        coerce=int,
        initial=int(DEFAULT_OVERLAP.total_seconds()),
        widget=forms.RadioSelect,
    )

    @property
    def options(self) -> list[dict[str, Any]]:
        """For the panel: each choice with the moment the old key would stop."""
        now = timezone.now()
        chosen = str(self["overlap_seconds"].value())
        return [
            {
                "value": seconds,
                "label": label,
                "note": note,
                "until": now + datetime.timedelta(seconds=seconds),
                "is_chosen": str(seconds) == chosen,
            }
            for seconds, label, note in OVERLAPS
        ]


class RevokeKeyForm(forms.Form):
    confirmation = forms.CharField(
        label="Type the key's name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name

    def clean_confirmation(self) -> str:
        confirmation: str = self.cleaned_data["confirmation"]
        if confirmation != self.name.strip():
            raise forms.ValidationError(f"Type {self.name} to revoke it.")
        return confirmation
