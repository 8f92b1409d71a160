from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from orgs.models import User
from orgs.models.organization import validate_slug

WHAT_IS_SAFE = "At least 10 characters, not one that everybody knows."


def refuse_weak_password(form: forms.Form, person: User) -> None:
    """Says at the field what is wrong with the password for this person."""
    if "password" in form.cleaned_data:
        try:
            validate_password(form.cleaned_data["password"], user=person)
        except ValidationError as error:
            form.add_error("password", error)


class NewOrganizationForm(forms.Form):
    organization_name = forms.CharField(
        label="Organization",
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    slug = forms.CharField(
        label="Address",
        max_length=40,
        required=False,
        help_text="Stands in every link: /o/<address>/. Left empty, it is made from the name.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"].lower()
        if slug:
            validate_slug(slug)
        return slug


class SignUpForm(NewOrganizationForm):
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    name = forms.CharField(
        label="Your name", max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        max_length=200,
        strip=False,
        help_text=WHAT_IS_SAFE,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    field_order = ["email", "name", "password", "organization_name", "slug"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "email" in cleaned:
            refuse_weak_password(self, User(email=cleaned["email"], name=cleaned.get("name", "")))
        return cleaned


class ChangeNameForm(forms.Form):
    name = forms.CharField(
        label="Your name", max_length=100, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class DeleteAccountForm(forms.Form):
    """Asks for the address, as everything that cannot be undone asks for a name."""

    confirmation = forms.CharField(
        label="Type your e-mail address to confirm",
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        max_length=200, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        if not user.has_usable_password():
            del self.fields["password"]

    def clean_confirmation(self) -> str:
        confirmation: str = self.cleaned_data["confirmation"].strip()
        if confirmation.lower() != self.user.email:
            raise ValidationError(f"Type {self.user.email} exactly.")
        return confirmation

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if not self.user.check_password(password):
            raise ValidationError("This is not your current password.")
        return password


class ForgotPasswordForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )


class ResetPasswordForm(forms.Form):
    password = forms.CharField(
        label="New password",
        max_length=200,
        strip=False,
        help_text=WHAT_IS_SAFE,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        refuse_weak_password(self, self.user)
        return cleaned


class ChangePasswordForm(ResetPasswordForm):
    current = forms.CharField(
        label="Current password",
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["current", "password"]


class ChangeEmailForm(forms.Form):
    """Stands on one page with `ChangePasswordForm`, so the ids of its fields differ."""

    email = forms.EmailField(
        label="New address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )
    current = forms.CharField(
        label="Current password",
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "new_address_%s")
        super().__init__(*args, **kwargs)


class LoginForm(forms.Form):
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=200, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
