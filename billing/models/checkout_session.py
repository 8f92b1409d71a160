from __future__ import annotations

from django.db import models


class CheckoutSession(models.Model):
    """The one Checkout an organization has open; the row is gone once it is paid, ended, or replaced."""

    organization = models.OneToOneField("orgs.Organization", on_delete=models.CASCADE, related_name="checkout_session")
    stripe_id = models.CharField(max_length=255, unique=True)
    plan_name = models.CharField(max_length=20)
    price_id = models.CharField(max_length=255)
    success_url = models.CharField(max_length=2000)
    cancel_url = models.CharField(max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.stripe_id
