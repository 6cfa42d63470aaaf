"""What uproot reads from ROOT files: a digest of each column, one JSON object a line.

    python uproot_digests.py [--ntuples] FILE...

The digest is an xxh64 over the values, canonically: for a list its offsets as 64-bit integers and then its items, for
numbers their little-endian bytes, for text its offsets and bytes, for what may be missing a byte that says so and then
what is there. The Rust side does the same to its Arrow arrays, so
that equal digests mean equal values and equal offsets.
"""

import json
import sys

import awkward
import numpy
import uproot
import xxhash

KINDS = {"b": "bool", "i": "i", "u": "u", "f": "f"}


def option(valid, content, state, wide):
    """Feeds which values are there, and then those."""
    state.update(numpy.asarray(valid).astype("u1").tobytes())
    return "?" + digest(content, state, wide)


def variant(layout, state, wide):
    """A union as a record: the types in the order of their names, null where a value has another, and then the tags."""
    tags = numpy.asarray(layout.tags)
    fields = []
    for i in sorted(range(1, len(layout.contents)), key=str):
        own = awkward.to_packed(awkward.Array(layout.project(i)), highlevel=False)
        valid = tags == i
        if own.is_option:
            valid = valid.copy()
            valid[valid] = ~numpy.asarray(own.mask_as_bool(valid_when=False))
            own = awkward.to_packed(awkward.drop_none(awkward.Array(own)), highlevel=False)
        fields.append(f"_{i - 1}:" + option(valid, own, state, wide))
    state.update(tags.astype("u1").tobytes())
    return "{" + ",".join([*fields, "tag:n1" if wide else "tag:u1"]) + "}"


def digest(layout, state, wide=False):
    """Feeds a packed layout to the hash and returns its type. Wide: real numbers of any size as 64 bits, characters as
    numbers of no known sign."""
    if layout.is_unknown:
        return "unknown"
    if layout.is_union:
        return variant(layout, state, wide)
    if layout.is_option:
        valid = ~numpy.asarray(layout.mask_as_bool(valid_when=False))
        own = awkward.to_packed(awkward.drop_none(awkward.Array(layout), axis=0), highlevel=False)
        return option(valid, own, state, wide)
    if layout.is_record:
        names = {(f"_{name}" if layout.is_tuple else name): name for name in layout.fields}
        fields = [f"{ours}:{digest(layout.content(names[ours]), state, wide)}" for ours in sorted(names)]
        return "{" + ",".join(fields) + "}"
    if layout.is_numpy:
        if layout.data.ndim > 1:
            return digest(layout.to_RegularArray(), state, wide)
        data = numpy.ascontiguousarray(layout.data)
        kind = KINDS[data.dtype.kind]
        if wide and kind == "f":
            data = data.astype("f8")
        state.update(data.astype(data.dtype.newbyteorder("<")).tobytes())
        if wide and data.dtype.itemsize == 1 and kind != "bool":
            return "n1"
        return kind if kind == "bool" else f"{kind}{data.dtype.itemsize}"
    if layout.is_regular:
        return f"{layout.size}*{digest(layout.content, state, wide)}"
    if layout.is_list:
        offsets = layout.to_ListOffsetArray64(True)
        starts = numpy.asarray(offsets.offsets)
        state.update(starts.astype("<i8").tobytes())
        content = offsets.content[: starts[-1]]
        if layout.parameter("__array__") in ("string", "bytestring"):
            state.update(numpy.asarray(content.data).tobytes())
            return "text"
        return f"list[{digest(content, state, wide)}]"
    raise TypeError(type(layout).__name__)


def digests(array):
    """Entries, type and digest, and the same of the wide form."""
    layout = awkward.to_layout(awkward.to_packed(array))
    state, wide = xxhash.xxh64(), xxhash.xxh64()
    kind, wide_kind = digest(layout, state), digest(layout, wide, True)
    found = {"entries": len(array), "kind": kind, "digest": state.hexdigest()}
    return found | {"wide_kind": wide_kind, "wide_digest": wide.hexdigest()}


def column(branch):
    try:
        interpretation = getattr(branch, "interpretation", None)
        if isinstance(interpretation, Exception):
            raise interpretation
        array = branch.array(library="ak")
        # The type that the field has, which uproot passes over.
        if "RNTupleCardinality<std::uint32_t>" in getattr(branch, "typename", ""):
            array = awkward.values_astype(array, "u4")
        if "RNTupleCardinality<std::uint64_t>" in getattr(branch, "typename", ""):
            array = awkward.values_astype(array, "u8")
        return digests(array)
    except Exception as error:  # whatever uproot cannot read
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:120]}


def ntuple(path, key, table):
    try:
        fields = table.fields
    except Exception as error:
        error = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        print(json.dumps({"file": path, "tree": key, "error": error}))
        return
    for field in fields:
        row = {"file": path, "tree": key, "column": field.name, "how": field.typename[:100]}
        print(json.dumps(row | column(field)), flush=True)


def main():
    kinds = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")
    paths = sys.argv[1:]
    if paths[0] == "--ntuples":
        kinds, paths = kinds[3:], paths[1:]
    for path in paths:
        try:
            file = uproot.open(path)
            names = file.classnames(recursive=True)
        except Exception as error:
            print(json.dumps({"file": path, "error": str(error).splitlines()[0][:120]}))
            continue
        for key, class_name in names.items():
            if class_name not in kinds:
                continue
            try:
                tree = file[key]
            except Exception as error:
                print(json.dumps({"file": path, "tree": key, "error": str(error).splitlines()[0][:120]}))
                continue
            if class_name == "ROOT::RNTuple":
                ntuple(path, key, tree)
                continue
            for name, branch in tree.iteritems(recursive=True, full_paths=True):
                grouped = isinstance(branch.interpretation, uproot.interpretation.grouped.AsGrouped)
                if not grouped:
                    row = {"file": path, "tree": key, "column": name, "how": repr(branch.interpretation)[:100]}
                    print(json.dumps(row | column(branch)), flush=True)


main()
