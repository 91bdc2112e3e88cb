"""What stands in the tables at this moment, read from moto's memory: no request is made for it."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

Row = dict[str, Any]
"""An item's attributes: texts as text, numbers as text, sets and binaries as moto keeps them."""


class Tables:
    """Moto's tables, by the environment variable that names them."""

    def __init__(self, names: Mapping[str, str], region: str) -> None:
        backend = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][region]
        self._tables = {variable: backend.tables[name] for variable, name in names.items()}
        self._kept: dict[str, Any] = {}

    @property
    def variables(self) -> list[str]:
        """What names the tables."""
        return list(self._tables)

    def rows(self, variable: str) -> Iterator[Row]:
        """All items of a table."""
        table = self._tables[variable]
        for found in table.items.values():
            items: Any = found.values() if table.range_key_attr else (found,)
            for item in items:
                yield {name: value.value for name, value in item.attrs.items()}

    def what_became(self) -> list[tuple[object, ...]]:
        """Recipients and letters as they stand now, but for ids and times."""
        told = ("user_id", "status", "attempts", "reason", "sweeps", "not_before", "due_at")
        rows = [tuple(row.get(name) for name in told) for row in self.rows("USERS_NOTIFICATIONS_TABLE")]
        letters = [
            tuple(sorted((name, letter) for name, letter in item.items() if name.startswith("p")))
            for item in self.rows("PROGRESS_TABLE")
        ]
        return [*rows, *letters]

    def keep(self) -> None:
        """Remember what stands in the tables now."""
        self._kept = {variable: copy.deepcopy(table.items) for variable, table in self._tables.items()}

    def restore(self) -> None:
        """Have in the tables again what `keep` remembered."""
        for variable, table in self._tables.items():
            table.items = copy.deepcopy(self._kept[variable])
