from __future__ import annotations

from typing import Any

from django import forms

from orgs.forms.second_factor import APP


class ProofForm(forms.Form):
    """The password, or a code for those who have a second factor: one of the two will do."""

    password = forms.CharField(
        max_length=200,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    code = forms.CharField(
        label="Or a code of your authenticator app",
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={**APP, "autofocus": False}),
    )

    def __init__(self, *args: Any, has_password: bool, has_second_factor: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not has_password:
            del self.fields["password"]
        if not has_second_factor:
            del self.fields["code"]
        if len(self.fields) == 1:
            [field] = self.fields.values()
            field.required, field.label = True, field.label and "Code"

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not any(cleaned.values()):
            raise forms.ValidationError("Give your password or a code.")
        return cleaned
