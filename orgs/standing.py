"""What the status of an organization lets through: decided here, for the API, for pages and for services.

The status stands on the organization's row, which every request loads with its credential: asking costs nothing.
"""

from __future__ import annotations

from dataxpipe.problems import OrganizationDeleting, OrganizationMoving, OrganizationSuspended
from orgs.models import Organization, OrganizationStatus

RETRY_AFTER_SECONDS = 30


def require_standing(
    organization: Organization, *, changes: bool, exports: bool = False, can_wait: bool = False
) -> None:
    """Raises the status's refusal: a suspended organization only reads and exports, one that moves only reads, one
    that is being deleted does nothing. `past_due` is a matter of the bill and refuses nothing. What `can_wait` is
    taken during a move, to be applied afterwards."""
    match organization.status:
        case OrganizationStatus.SUSPENDED if changes and not exports:
            raise OrganizationSuspended(_suspended(organization))
        case OrganizationStatus.MOVING if changes and not can_wait:
            raise _moving(organization)
        case OrganizationStatus.DELETING:
            raise OrganizationDeleting(
                f"{organization.slug} is deleted for good on {organization.deletion_at:%d %B %Y}. "
                f"Until then an owner can undo it at /o/{organization.slug}/deletion/."
                if organization.deletion_at
                else None
            )


def _moving(organization: Organization) -> OrganizationMoving:
    return OrganizationMoving(
        f"{organization.slug} is being moved to another database. Repeat this in half a minute.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _suspended(organization: Organization) -> str:
    reason = f" ({organization.status_reason})" if organization.status_reason else ""
    return (
        f"{organization.slug} is suspended{reason}: it can be read and exported, not changed. "
        "Its owners were told by mail; they answer it to have the organization resumed."
    )
