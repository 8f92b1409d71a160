"""Keys that ask for an admin's eye: made by somebody who has left, or living longer than the organization allows."""

from __future__ import annotations

from dataclasses import dataclass

from orgs.models import Organization
from orgs.models.api_key import ApiKeyQuerySet

CREATOR_LEFT, OVER_AGE = "creator_left", "over_age"
FLAGS = (CREATOR_LEFT, OVER_AGE)


@dataclass(frozen=True, slots=True)
class FlagCounts:
    creator_left: int
    over_age: int


def flagged(organization: Organization, flag: str | None) -> ApiKeyQuerySet:
    """The organization's usable keys with this flag; without one all keys that ever were."""
    api_keys: ApiKeyQuerySet = organization.api_keys.all()
    if flag == CREATOR_LEFT:
        return api_keys.left_behind()
    if flag == OVER_AGE:
        return api_keys.over_age(organization.max_key_age)
    return api_keys


def count_flagged(organization: Organization) -> FlagCounts:
    return FlagCounts(*(flagged(organization, flag).count() for flag in FLAGS))
