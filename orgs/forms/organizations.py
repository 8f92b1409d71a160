from __future__ import annotations

from typing import Any

from django import forms

from orgs.models import Organization
from orgs.models.organization import SETTINGS, validate_slug

WORDS = {
    "all": "everybody",
    "editors": "editors, admins and owners",
    "no": "nobody: it is not stored",
    "registered": "registered pipelines only",
    "yes": "everybody",
    "unlimited": "as long as they like",
    "30": "30 days",
    "90": "90 days",
    "180": "180 days",
    "365": "365 days",
}
OWN_WORDS = {"ingest_admission": {"all": "any pipeline"}, "require_second_factor": {"no": "nobody"}}
LABELS = {
    "ingest_admission": ("Events may bring", "Whether an OpenLineage event of an unknown job makes a pipeline."),
    "store_sql": ("SQL texts are shown to", "SQL that events carry in their facets."),
    "store_source_code": ("Source code is shown to", "Source code that events carry in their facets."),
    "require_second_factor": (
        "Second factor is required of",
        "Members without one set it up before they see anything of the organization. Switch on your own first.",
    ),
    "max_key_age_days": (
        "API keys live",
        "New keys and successors end within this time. Longer ones go on and are listed until they are rotated.",
    ),
}


class OrganizationForm(forms.Form):
    name = forms.CharField(max_length=100)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        current = {name: organization.setting(name) for name in SETTINGS}
        kwargs["initial"] = {"name": organization.name, **current}
        super().__init__(*args, **kwargs)
        for name, values in SETTINGS.items():
            label, help_text = LABELS[name]
            words = WORDS | OWN_WORDS.get(name, {})
            choices = [(value, words[value]) for value in values]
            self.fields[name] = forms.ChoiceField(label=label, help_text=help_text, choices=choices)

    def settings(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in SETTINGS}


class DeleteOrganizationForm(forms.Form):
    confirmation = forms.CharField(
        max_length=40,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = organization.slug
        self.fields["confirmation"].label = f"Type {organization.slug} to delete it"

    def clean_confirmation(self) -> str:
        text: str = self.cleaned_data["confirmation"]
        if text != self.slug:
            raise forms.ValidationError(f"This is not {self.slug}.")
        return text


class SlugForm(forms.Form):
    slug = forms.CharField(
        label="Address",
        max_length=40,
        help_text="The old address leads here for 90 days and is never given to another organization.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"].lower()
        validate_slug(slug)
        return slug
