"""Amounts in words, for pages and mails."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB")


def size(byte_count: float) -> str:
    """`0 B`, `12 kB`, `1.2 GB`: decimal units, as the plans count them."""
    scaled, units = float(byte_count), iter(UNITS)
    unit = next(units)
    while scaled >= 999.5 and unit != UNITS[-1]:
        scaled, unit = scaled / 1_000, next(units)
    number = f"{scaled:.0f}" if unit == "B" or scaled >= 99.95 else f"{scaled:.1f}".removesuffix(".0")
    return f"{number} {unit}"


def amount(resource: str, value: int) -> str:
    """Bytes of storage, or a number of anything else: `1.2 GB`, `1,200`."""
    return size(value) if resource == "storage_bytes" else f"{value:,}"


def level_state(used: int, limit: int | None) -> str:
    """The colour of a meter: `late` from 80 % of the limit on, `failing` where it is reached."""
    if not limit or used * 100 < limit * 80:
        return ""
    return "failing" if used >= limit else "late"
