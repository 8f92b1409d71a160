from __future__ import annotations

from typing import Any

from django import forms


class CommaSeparatedField(forms.CharField):
    """Words with commas between, as a list without empty ones."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"})
        super().__init__(required=False, max_length=2000, widget=widget, **kwargs)

    def clean(self, value: Any) -> list[str]:
        text: str = super().clean(value)
        return [word.strip() for word in text.split(",") if word.strip()]
