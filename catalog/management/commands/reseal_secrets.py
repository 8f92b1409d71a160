"""Seals connection secrets and second factors with the first master key, so that the others can be dropped."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.credentials import reseal_secrets
from orgs.models import Organization
from orgs.services.second_factor import reseal_second_factors
from orgs.tenancy import JOB, tenant_scope


class Command(BaseCommand):
    help = "Seal all connection secrets and second factors with the first key of DATAXPIPE_ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        resealed = organizations = 0
        for organization in Organization.objects.order_by("pk").iterator():
            with tenant_scope(organization, timeouts=JOB):
                count = reseal_secrets()
            resealed, organizations = resealed + count, organizations + bool(count)
        factors = reseal_second_factors()
        self.stdout.write(f"{resealed} secrets resealed in {organizations} organizations, {factors} second factors")
