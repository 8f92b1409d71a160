from __future__ import annotations

from typing import Any

from django import forms


class ConfirmNameForm(forms.Form):
    """What cannot be undone asks for the name, exactly as it is."""

    confirmation = forms.CharField(label="Name", max_length=1000, strip=True)

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirmation"].help_text = f"Type {name} to confirm."
        self.fields["confirmation"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"]
        if typed != self.name:
            raise forms.ValidationError(f"That is not the name. Type {self.name} exactly.", code="mismatch")
        return typed
