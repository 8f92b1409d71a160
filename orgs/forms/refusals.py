"""What a service refuses, told at the fields of the form that it named."""

from __future__ import annotations

from django import forms

from dataxpipe.problems import Problem


class RefusableForm(forms.Form):
    def add_refusals(self, refusal: Problem) -> None:
        """A refusal of no field, or of one that the form does not have, stands above all fields."""
        for error in refusal.errors:
            name = (error.pointer or "").split("/")[1:2]
            self.add_error(name[0] if name and name[0] in self.fields else None, error.detail)
        if not refusal.errors:
            self.add_error(None, refusal.detail)
