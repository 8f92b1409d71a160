from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from orgs.forms.comma_separated import CommaSeparatedField
from orgs.forms.refusals import RefusableForm
from orgs.permissions import PRESETS, SCOPES
from orgs.services.trusted_publishers import Trust


class TrustedPublisherForm(RefusableForm):
    name = forms.CharField(
        max_length=100,
        help_text="Stands in the audit log for each key: github, release-pipeline.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    issuer = forms.CharField(
        max_length=500,
        initial="https://token.actions.githubusercontent.com",
        help_text="Exactly as iss stands in its tokens; GitLab's is https://gitlab.com.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    audience = forms.CharField(
        max_length=500,
        help_text="What CI asks its token for.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    subject_pattern = forms.CharField(
        label="Subjects",
        max_length=500,
        help_text="repo:acme/data:ref:refs/heads/main, repo:acme/*:environment:production. * ends at / and :, ** at :.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="Its keys may", choices=[(scope, scope) for scope in SCOPES], widget=forms.CheckboxSelectMultiple
    )
    allowed_namespaces = CommaSeparatedField(
        label="Only namespaces", help_text="With commas between; empty is every namespace."
    )

    def __init__(self, data: Any = None, *, trust: Trust | None = None) -> None:
        initial = {"audience": settings.BASE_URL, "scopes": PRESETS["ci"]}
        if trust is not None:
            initial = {name: getattr(trust, name) for name in self.base_fields}
            initial["allowed_namespaces"] = ", ".join(trust.allowed_namespaces)
        super().__init__(data, initial=initial)

    def trust(self) -> Trust:
        return Trust(**self.cleaned_data)
