from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from orgs.models.second_factor import SecondFactor


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **fields, is_staff=True, is_superuser=True)

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.normalize_email(username))


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail address. People belong to organizations through memberships."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=100, blank=True)
    email_confirmed_at = models.DateTimeField(null=True, blank=True)
    reset_mailed_at = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="user_email_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def label(self) -> str:
        """How the person is shown, on one line: the name, or what stands before the @."""
        return " ".join(self.name.split()) or self.email.partition("@")[0]

    @property
    def has_second_factor(self) -> bool:
        return SecondFactor.objects.filter(user=self).exists()

    def confirm_email(self) -> None:
        """A mailed link was opened: the address is theirs. The first time counts."""
        self.email_confirmed_at = self.email_confirmed_at or timezone.now()

    def clean(self) -> None:
        super().clean()
        self.email = UserManager.normalize_email(self.email)
