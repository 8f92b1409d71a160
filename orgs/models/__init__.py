from orgs.models.api_key import ApiKey, ApiKeyUse
from orgs.models.audit import AuditEvent, AuditPerson, AuditSeal
from orgs.models.due import Due
from orgs.models.idempotency import IdempotencyRecord
from orgs.models.invitation import Invitation
from orgs.models.membership import Membership
from orgs.models.organization import Organization, OrganizationSlug, OrganizationStatus
from orgs.models.platform import PlatformEvent, PlatformKey
from orgs.models.usage import NO_KEY, UsageCount, UsageLevel, UsagePeriod
from orgs.models.user import User

__all__ = [
    "NO_KEY",
    "ApiKey",
    "ApiKeyUse",
    "AuditEvent",
    "AuditPerson",
    "AuditSeal",
    "Due",
    "IdempotencyRecord",
    "Invitation",
    "Membership",
    "Organization",
    "OrganizationSlug",
    "OrganizationStatus",
    "PlatformEvent",
    "PlatformKey",
    "UsageCount",
    "UsageLevel",
    "UsagePeriod",
    "User",
]
