"""What staff see at `/admin/`; the modules register themselves."""

from orgs.admin import keys, organizations, people, records

__all__ = ["keys", "organizations", "people", "records"]
