"""Tables in memory, for simulations that make more requests than moto could answer in time.

The product's own conditions and actions are what is carried out: only what stands under `Table` is replaced.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, TypeVar

import pytest
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.operand import Path, Value
from pynamodb.expressions.update import Action, RemoveAction, SetAction

from chalicelib.tables.base import ConditionFailedError, Item, Table

T = TypeVar("T", bound=Table)
R = TypeVar("R")

Around = Callable[[Callable[[], Any]], Any]
"""Carries out a request: before it, after it, or in its place anything may happen."""

COMPARISONS = {"=": eq, "<>": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


class MemoryTables:
    """Rows by model and hash key; a model with a range key has no place here."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._items: dict[type[Table], dict[str, Item]] = {}

    def install(self, monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
        """Have the models, and `batch_get` in these modules, work on this memory."""
        tables = self

        def put(self: Table, condition: Condition | None = None) -> None:
            tables.request(lambda: tables.put(self, condition))

        def change(
            cls: type[T], key: str, *, actions: Sequence[Action], condition: Condition | None = None
        ) -> None:
            tables.request(lambda: tables.change(cls, key, actions, condition))

        def one(cls: type[T], key: str, *, consistent: bool = False) -> T | None:
            found: T | None = tables.request(lambda: tables.one(cls, key))
            return found

        def batch_get(
            wanted: Mapping[type[Table], Iterable[str]], *, consistent: bool
        ) -> dict[type[Table], list[Any]]:
            found: dict[type[Table], list[Any]] = tables.request(lambda: tables.batch_get(wanted))
            return found

        monkeypatch.setattr(Table, "put", put)
        monkeypatch.setattr(Table, "change", classmethod(change))
        monkeypatch.setattr(Table, "one", classmethod(one))
        monkeypatch.setattr(Table, "table", classmethod(lambda cls: cls.table_variable))
        for module in modules:
            monkeypatch.setattr(module, "batch_get", batch_get)

    def request(self, work: Callable[[], R]) -> R:
        """One request of the product's."""
        answer: R = self._around(work)
        return answer

    def put(self, row: Table, condition: Condition | None = None) -> None:
        item = row.serialize()
        key = item[_key_of(type(row))]["S"]
        self._demand(type(row), key, condition)
        self._items.setdefault(type(row), {})[key] = item

    def change(
        self, model: type[Table], key: str, actions: Sequence[Action], condition: Condition | None
    ) -> None:
        self._demand(model, key, condition)
        item = self._items[model][key] = dict(self._items[model][key])
        for action in actions:
            path, *values = action.values
            assert isinstance(path, Path)
            if isinstance(action, SetAction):
                (value,) = values
                assert isinstance(value, Value)
                item[path.path[0]] = value.value
            else:
                assert isinstance(action, RemoveAction)
                item.pop(path.path[0], None)

    def one(self, model: type[T], key: str) -> T | None:
        item = self._items.get(model, {}).get(key)
        return model.from_raw_data(dict(item)) if item is not None else None

    def batch_get(self, wanted: Mapping[type[Table], Iterable[str]]) -> dict[type[Table], list[Any]]:
        return {
            model: [row for key in dict.fromkeys(keys) if (row := self.one(model, key)) is not None]
            for model, keys in wanted.items()
        }

    def rows(self, model: type[T], having: str) -> list[T]:
        """All that have an attribute; no request."""
        items = self._items.get(model, {}).values()
        return [model.from_raw_data(dict(item)) for item in items if having in item]

    def _demand(self, model: type[Table], key: str, condition: Condition | None) -> None:
        found = self._items.get(model, {}).get(key)
        if condition is not None and not _holds(condition, found or {}):
            raise ConditionFailedError(dict(found) if found else None)


def _key_of(model: type[Table]) -> str:
    return next(name for name, attribute in model.get_attributes().items() if attribute.is_hash_key)


def _holds(condition: Condition, item: Item) -> bool:
    values = condition.values
    match condition.operator:
        case "AND":
            return all(_holds(each, item) for each in values)
        case "OR":
            return any(_holds(each, item) for each in values)
        case "attribute_exists":
            return values[0].path[0] in item
        case "attribute_not_exists":
            return values[0].path[0] not in item
        case operator:
            left, right = (_operand(each, item) for each in values)
            # To what is not there nothing compares, but that it is another.
            return (
                bool(COMPARISONS[operator](left, right))
                if left is not None and right is not None
                else (operator == "<>")
            )


def _operand(operand: Path | Value, item: Item) -> str | float | None:
    stored = item.get(operand.path[0]) if isinstance(operand, Path) else operand.value
    if stored is None:
        return None
    ((kind, value),) = stored.items()
    return float(value) if kind == "N" else str(value)
