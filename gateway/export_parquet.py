"""The ledger as Parquet; the only importer of pyarrow, which is an extra of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.errors import ConfigError
from gateway.export import ROWS, What, cells, columns
from gateway.stores.base import AttemptRow, RequestRow

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError as error:
    raise ConfigError(
        "Parquet needs pyarrow, which is not installed; install the extra `parquet`, as in "
        "`pip install 'tiergate[parquet]'`, or export as csv"
    ) from error

_MONEY = pa.decimal128(20, 9)
_TYPES = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}


class ParquetSink:
    """A Parquet file of one row group a page; amounts are decimals of nine places."""

    def __init__(self, what: What, path: Path) -> None:
        kinds = {field.name: field.type for field in msgspec.structs.fields(ROWS[what])}
        types = [_type(name, kind) for name, kind in kinds.items()]
        self._schema = pa.schema(list(zip(columns(what), types, strict=True)))
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[RequestRow | AttemptRow]) -> None:
        """Write a page."""
        by_column = zip(*map(cells, rows), strict=True)
        arrays = [pa.array(values, field.type) for values, field in zip(by_column, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the file's footer."""
        self._writer.close()


def _type(name: str, kind: object) -> pa.DataType:
    if name == "at_ms":
        return pa.timestamp("ms", tz="UTC")
    if name.endswith("_nano"):
        return _MONEY
    return _TYPES.get(kind, pa.string()) if isinstance(kind, type) else pa.string()
