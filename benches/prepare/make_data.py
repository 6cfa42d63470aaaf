"""Jets with lists of constituents as Parquet, as many as are asked for, a million rows at a time: python make_data.py FILE ROWS [GROUP_ROWS]

Row groups have 100,000 rows, or as many as are asked for, up to a million.
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

path, rows = sys.argv[1], int(sys.argv[2])
group_rows = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
GROUP = 1_000_000
random = np.random.default_rng(1)
names = ["jet_pt", "label", "part_pt", "part_eta", "part_phi"]
writer = None
for start in range(0, rows, GROUP):
    size = min(GROUP, rows - start)
    counts = random.integers(5, 36, size)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    lists = [pa.ListArray.from_arrays(offsets, random.random(offsets[-1], np.float32)) for _ in range(3)]
    columns = [pa.array(500 * random.random(size, np.float32)), pa.array(random.integers(0, 2, size)), *lists]
    table = pa.Table.from_arrays(columns, names)
    writer = writer or pq.ParquetWriter(path, table.schema, compression="lz4", use_dictionary=False)
    writer.write_table(table, row_group_size=group_rows)
writer.close()
