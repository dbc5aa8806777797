#!/usr/bin/env python3
"""Make the files of columns, as other programs write them: `pip install pyarrow==26.0.1`, `python make_columns.py`."""

from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

HERE = Path(__file__).resolve().parent

table = pa.table(
    {
        "day": pa.array(["mon", "tue", None, "mon"]).dictionary_encode(),
        "ids": pa.array([[4, 5], [6], [], [1, 2, 3]], pa.list_(pa.int64())),
        "id": pa.array([1, 2, 2**53 + 1, 4], pa.uint64()),
    }
)
with pa.ipc.new_stream(HERE / "ids.arrows", table.schema) as out:
    out.write_table(table, max_chunksize=3)
pyarrow.feather.write_feather(table, HERE / "ids.arrow", compression="lz4")
pyarrow.parquet.write_table(table, HERE / "ids.parquet", compression="snappy", row_group_size=3)
