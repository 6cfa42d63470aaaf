"""Compares a dataset with the ROOT file that it was made from, through the tools that others will read it with.

usage: check_dataset.py DATASET SOURCE.root TREE
"""

import json
import logging
import sys
import tempfile
import warnings
from pathlib import Path

import awkward
import datasets
import mlcroissant
import numpy
import pyarrow.parquet
import uproot

root, source, tree = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
manifest = json.loads((root / "dataset.json").read_text())
columns = [column["name"] for column in manifest["columns"] if column["name"] != "row_id"]
truth = uproot.open(source)[tree].arrays(columns)


def same(name, found, expected):
    """Bit for bit, lists included."""
    assert awkward.type(found).content == awkward.type(expected).content or len(found) == 0, (name, found.type, expected.type)
    assert awkward.array_equal(found, expected), f"{name}: values differ"


# Parquet, and `datasets` as the Hub runs it: the same rows, none lost, none twice.
seen = []
datasets.disable_progress_bars()
with tempfile.TemporaryDirectory() as cache:
    hub = datasets.load_dataset(str(root), cache_dir=cache)
    assert list(hub) == [split["name"] for split in manifest["splits"]], list(hub)
    for split in manifest["splits"]:
        table = pyarrow.parquet.read_table(root / split["name"])
        assert table.num_rows == split["rows"] == hub[split["name"]].num_rows
        rows = table["row_id"].to_numpy()
        seen.append(rows)
        loaded = hub[split["name"]].with_format("arrow")[:]
        for name in columns:
            expected = awkward.to_packed(truth[name][rows])
            same(f"pyarrow {split['name']} {name}", awkward.from_arrow(table[name]), expected)
            found = awkward.to_packed(awkward.drop_none(awkward.from_arrow(loaded[name]), axis=None))
            assert awkward.array_equal(found, expected), f"datasets {split['name']} {name}: values differ"
seen = numpy.sort(numpy.concatenate(seen))
assert len(numpy.unique(seen)) == len(seen) == manifest["cutflow"][0]["steps"][-1]["after"]

# Units go with the columns.
schema = pyarrow.parquet.read_schema(root / manifest["files"][0]["path"])
for column in manifest["columns"]:
    metadata = schema.field(column["name"]).metadata or {}
    assert metadata.get(b"unit", b"").decode() == column.get("unit", ""), column

# Croissant: valid without an error or a warning, every column a field, and the records are the rows.
problems = []


class Collect(logging.Handler):
    def emit(self, record):
        problems.append(record.getMessage())


logging.getLogger("absl").addHandler(Collect())
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    croissant = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
metadata = croissant.metadata
assert not metadata.ctx.issues.errors, metadata.ctx.issues.errors
problems += list(metadata.ctx.issues.warnings)
assert not problems, problems
assert [str(version) for version in [metadata.ctx.conforms_to.value]] == ["http://mlcommons.org/croissant/1.1"]
for record_set, split in zip(metadata.record_sets, manifest["splits"], strict=True):
    assert record_set.name in (split["name"], {"en": split["name"]}), record_set.name
    assert [field.id for field in record_set.fields] == [f"{split['name']}/{column['name']}" for column in manifest["columns"]]
split = min(manifest["splits"], key=lambda split: split["rows"])["name"]
for number, record in enumerate(croissant.records(split)):
    row = record[f"{split}/row_id"]
    for name in columns:
        expected = awkward.to_list(truth[name][row])
        assert numpy.array_equal(record[f"{split}/{name}"], expected), (row, name, record[f"{split}/{name}"], expected)
    if number == 20:
        break
assert number == 20
print("ok")
