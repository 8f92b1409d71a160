from orgs.models.api_key import ApiKey, ApiKeyUse
from orgs.models.audit import AuditAnchor, AuditEvent, AuditPerson, AuditSeal, AuditSubject
from orgs.models.due import Due
from orgs.models.history import KeptHistory
from orgs.models.idempotency import IdempotencyRecord
from orgs.models.invitation import Invitation
from orgs.models.membership import FormerMembership, Membership
from orgs.models.oidc_identity import OidcIdentity
from orgs.models.organization import Organization, OrganizationSlug, OrganizationStatus
from orgs.models.platform import PlatformEvent, PlatformKey
from orgs.models.rate_counter import RateCounter
from orgs.models.refusal import Refusal
from orgs.models.second_factor import SecondFactor
from orgs.models.session import Session
from orgs.models.support_entry import SupportEntry
from orgs.models.trusted_publisher import TrustedPublisher, UsedToken
from orgs.models.usage import NO_KEY, UsageCount, UsageLevel, UsagePeriod
from orgs.models.user import User

__all__ = [
    "NO_KEY",
    "ApiKey",
    "ApiKeyUse",
    "AuditAnchor",
    "AuditEvent",
    "AuditPerson",
    "AuditSeal",
    "AuditSubject",
    "Due",
    "FormerMembership",
    "IdempotencyRecord",
    "Invitation",
    "KeptHistory",
    "Membership",
    "OidcIdentity",
    "Organization",
    "OrganizationSlug",
    "OrganizationStatus",
    "PlatformEvent",
    "PlatformKey",
    "RateCounter",
    "Refusal",
    "SecondFactor",
    "Session",
    "SupportEntry",
    "TrustedPublisher",
    "UsageCount",
    "UsageLevel",
    "UsagePeriod",
    "UsedToken",
    "User",
]
