"""What uproot reads from ROOT files: a digest of each column, one JSON object a line.

    python uproot_digests.py [--ntuples] FILE...

The digest is an xxh64 over the values, canonically: for a list its offsets as 64-bit integers and then its items, for
numbers their little-endian bytes, for text its offsets and bytes, for what may be missing a byte that says so and then
what is there. The Rust side does the same to its Arrow arrays, so
that equal digests mean equal values and equal offsets.
"""

import json
import resource
import sys
import typing

import awkward
import numpy
import uproot
import xxhash

# Of some files of a few megabytes uproot makes Python objects of 14 GB. What does not fit counts as not read by it.
MEMORY = 8 << 30
resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

KINDS = {"b": "bool", "i": "i", "u": "u", "f": "f"}


class Form(typing.NamedTuple):
    """How values are fed. Wide: real numbers of any size as 64 bits, characters as numbers of no known sign."""

    ntuple: bool
    wide: bool


def option(valid, content, state, form):
    """Feeds which values are there, and then those."""
    state.update(numpy.asarray(valid).astype("u1").tobytes())
    return "?" + digest(content, state, form)


def variant(layout, state, form):
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
        fields.append(f"_{i - 1}:" + option(valid, own, state, form))
    state.update(tags.astype("u1").tobytes())
    return "{" + ",".join([*fields, "tag:n1" if form.wide else "tag:u1"]) + "}"


def digest(layout, state, form):
    """Feeds a packed layout to the hash and returns its type."""
    if layout.is_unknown:
        return "unknown"
    if layout.is_union:
        return variant(layout, state, form)
    if layout.is_option:
        valid = ~numpy.asarray(layout.mask_as_bool(valid_when=False))
        own = awkward.to_packed(awkward.drop_none(awkward.Array(layout), axis=0), highlevel=False)
        return option(valid, own, state, form)
    if layout.is_record:
        # The items of a tree's map are tuples here, and have names there.
        pair = ("_0", "_1") if form.ntuple else ("key", "value")
        ours = [pair[i] if i < 2 else f"_{i}" for i in range(len(layout.fields))] if layout.is_tuple else layout.fields
        names = dict(zip(ours, layout.fields))
        fields = [f"{name}:{digest(layout.content(names[name]), state, form)}" for name in sorted(names)]
        return "{" + ",".join(fields) + "}"
    if layout.is_numpy:
        if layout.data.ndim > 1:
            return digest(layout.to_RegularArray(), state, form)
        data = numpy.ascontiguousarray(layout.data)
        kind = KINDS[data.dtype.kind]
        if form.wide and kind == "f":
            data = data.astype("f8")
        # What was written for "true" is any byte but 0.
        data = data.view("u1") != 0 if kind == "bool" else data
        state.update(data.astype(data.dtype.newbyteorder("<")).tobytes())
        if form.wide and data.dtype.itemsize == 1 and kind != "bool":
            return "n1"
        return kind if kind == "bool" else f"{kind}{data.dtype.itemsize}"
    if layout.is_regular:
        return f"{layout.size}*{digest(layout.content, state, form)}"
    if layout.is_list:
        offsets = layout.to_ListOffsetArray64(True)
        starts = numpy.asarray(offsets.offsets)
        state.update(starts.astype("<i8").tobytes())
        content = offsets.content[: starts[-1]]
        if layout.parameter("__array__") in ("string", "bytestring"):
            state.update(numpy.asarray(content.data).tobytes())
            return "text"
        return f"list[{digest(content, state, form)}]"
    raise TypeError(type(layout).__name__)


def digests(array, ntuple):
    """Entries, type and digest, and of an ntuple's column the same of the wide form."""
    layout = awkward.to_layout(awkward.to_packed(array))
    state = xxhash.xxh64()
    kind = digest(layout, state, Form(ntuple, False))
    found = {"entries": len(array), "kind": kind, "digest": state.hexdigest()}
    if ntuple:
        wide = xxhash.xxh64()
        found |= {"wide_kind": digest(layout, wide, Form(ntuple, True)), "wide_digest": wide.hexdigest()}
    return found


def alone(branch):
    """Whether a branch is a fixed array of objects, which uproot wraps in a list of length one."""
    if not isinstance(branch.interpretation, (uproot.AsObjects, uproot.AsJagged)):
        return False
    length = getattr(branch.streamer, "array_length", 0) if branch.streamer is not None else 0
    return length > 0 and not branch._streamer_isTClonesArray


def branch_column(branch):
    if isinstance(branch.interpretation, Exception):
        raise branch.interpretation
    array = branch.array(library="ak")
    if alone(branch) and array.ndim > 1 and awkward.all(awkward.num(array) == 1):
        array = array[:, 0]
    return digests(array, False)


def field_column(field):
    array = field.array(library="ak")
    # The type that the field has, which uproot passes over.
    if "RNTupleCardinality<std::uint32_t>" in field.typename:
        array = awkward.values_astype(array, "u4")
    if "RNTupleCardinality<std::uint64_t>" in field.typename:
        array = awkward.values_astype(array, "u8")
    return digests(array, True)


def column(read, source):
    try:
        return read(source)
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
        print(json.dumps(row | column(field_column, field)), flush=True)


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
                    print(json.dumps(row | column(branch_column, branch)), flush=True)


main()
