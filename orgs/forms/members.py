from __future__ import annotations

from typing import Any

from django import forms

from orgs.forms.accounts import WHAT_IS_SAFE, refuse_weak_password
from orgs.models import User
from orgs.permissions import Role

WHAT_ROLES_DO = {
    Role.VIEWER: "Viewer: reads",
    Role.EDITOR: "Editor: registers pipelines, reports runs",
    Role.ADMIN: "Admin: also members, keys, connections, settings",
    Role.OWNER: "Owner: everything",
}


class RoleForm(forms.Form):
    """Offers the roles up to one's own."""

    role = forms.ChoiceField()

    def __init__(self, *args: Any, held: Role, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [(role.value, words) for role, words in WHAT_ROLES_DO.items() if role.rank <= held.rank]
        self.fields["role"] = forms.ChoiceField(label="Role", choices=offered)

    def chosen(self) -> Role:
        return Role(self.cleaned_data["role"])


class InviteForm(RoleForm):
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        help_text="Gets a link that works once and for seven days.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["email", "role"]


class JoinForm(forms.Form):
    """An account for an invited address: the address itself is not asked for."""

    name = forms.CharField(
        label="Your name", max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        max_length=200,
        strip=False,
        help_text=WHAT_IS_SAFE,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        refuse_weak_password(self, User(email=self.email, name=cleaned.get("name", "")))
        return cleaned
