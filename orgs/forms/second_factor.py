from __future__ import annotations

from typing import Any

from django import forms

APP = {"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "spellcheck": "false"}
RECOVERY = {"autocomplete": "off", "autocapitalize": "none", "autofocus": True, "spellcheck": "false"}


class CodeForm(forms.Form):
    """Either kind of code is taken; `is_recovery` chooses the words and the keyboard."""

    code = forms.CharField(max_length=40)

    def __init__(self, *args: Any, is_recovery: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_recovery = is_recovery
        field = self.fields["code"]
        field.label = "Recovery code" if is_recovery else "Code"
        field.help_text = "" if is_recovery else "The six digits that your authenticator app shows now."
        field.widget.attrs |= RECOVERY if is_recovery else APP


class EnableForm(CodeForm):
    """The code that the app shows after the QR code was scanned; `candidate` carries what it was scanned from."""

    candidate = forms.CharField(max_length=400, widget=forms.HiddenInput)
    field_order = ["candidate", "code"]
