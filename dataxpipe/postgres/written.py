"""Instances by SQL that is written once.

Building a query in the ORM takes longer than running it, which every request pays that asks for its key, and every
event that asks for its run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

import orjson
from django.db import DEFAULT_DB_ALIAS, models

M = TypeVar("M", bound=models.Model)


@cache
def columns_of(model: type[models.Model], table: str) -> str:
    """All columns of the model, for a SELECT in which its table is called `table`."""
    return ", ".join(f"{table}.{field.column}" for field in model._meta.concrete_fields)


@cache
def width_of(model: type[models.Model]) -> int:
    return len(model._meta.concrete_fields)


def instance_of(model: type[M], row: Sequence[Any]) -> M:
    """The instance in the values of `columns_of`."""
    values = list(row)
    for position in _json_positions(model):
        if values[position] is not None:
            values[position] = orjson.loads(values[position])
    return model.from_db(DEFAULT_DB_ALIAS, _names(model), values)


@cache
def _names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@cache
def _json_positions(model: type[models.Model]) -> list[int]:
    fields = model._meta.concrete_fields
    return [position for position, field in enumerate(fields) if isinstance(field, models.JSONField)]
