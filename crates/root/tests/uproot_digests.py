"""What uproot reads from ROOT files: a digest of each column, one JSON object a line.

    python uproot_digests.py FILE...

The digest is an xxh64 over the values, canonically: for a list its offsets as 64-bit integers and then its items, for
numbers their little-endian bytes, for text its offsets and bytes. The Rust side does the same to its Arrow arrays, so
that equal digests mean equal values and equal offsets.
"""

import json
import sys

import awkward
import numpy
import uproot
import xxhash

KINDS = {"b": "bool", "i": "i", "u": "u", "f": "f"}


def digest(layout, state):
    """Feeds a packed layout to the hash and returns its type."""
    if layout.is_unknown:
        return "unknown"
    if layout.is_option:
        raise TypeError("an optional type")
    if layout.is_record:
        # The items of a map are tuples here, and have names there.
        names = ["key", "value"] if layout.is_tuple else layout.fields
        fields = [f"{name}:{digest(layout.content(i), state)}" for i, name in enumerate(names)]
        return "{" + ",".join(fields) + "}"
    if layout.is_numpy:
        if layout.data.ndim > 1:
            return digest(layout.to_RegularArray(), state)
        data = numpy.ascontiguousarray(layout.data)
        state.update(data.astype(data.dtype.newbyteorder("<")).tobytes())
        kind = KINDS[data.dtype.kind]
        return kind if kind == "bool" else f"{kind}{data.dtype.itemsize}"
    if layout.is_regular:
        return f"{layout.size}*{digest(layout.content, state)}"
    if layout.is_list:
        offsets = layout.to_ListOffsetArray64(True)
        starts = numpy.asarray(offsets.offsets)
        state.update(starts.astype("<i8").tobytes())
        content = offsets.content[: starts[-1]]
        if layout.parameter("__array__") in ("string", "bytestring"):
            state.update(numpy.asarray(content.data).tobytes())
            return "text"
        return f"list[{digest(content, state)}]"
    raise TypeError(type(layout).__name__)


def alone(branch):
    """Whether a branch is a fixed array of objects, which uproot wraps in a list of length one."""
    if not isinstance(branch.interpretation, (uproot.AsObjects, uproot.AsJagged)):
        return False
    length = getattr(branch.streamer, "array_length", 0) if branch.streamer is not None else 0
    return length > 0 and not branch._streamer_isTClonesArray


def column(branch):
    try:
        interpretation = branch.interpretation
        if isinstance(interpretation, Exception):
            raise interpretation
        array = branch.array(library="ak")
        if alone(branch) and array.ndim > 1 and awkward.all(awkward.num(array) == 1):
            array = array[:, 0]
        state = xxhash.xxh64()
        kind = digest(awkward.to_layout(awkward.to_packed(array)), state)
        return {"entries": len(array), "kind": kind, "digest": state.hexdigest()}
    except Exception as error:  # whatever uproot cannot read
        return {"error": f"{type(error).__name__}: {error}".splitlines()[0][:120]}


def main():
    for path in sys.argv[1:]:
        try:
            file = uproot.open(path)
            names = file.classnames(recursive=True)
        except Exception as error:
            print(json.dumps({"file": path, "error": str(error).splitlines()[0][:120]}))
            continue
        for key, class_name in names.items():
            if class_name not in ("TTree", "TNtuple", "TNtupleD"):
                continue
            try:
                tree = file[key]
            except Exception as error:
                print(json.dumps({"file": path, "tree": key, "error": str(error).splitlines()[0][:120]}))
                continue
            for name, branch in tree.iteritems(recursive=True, full_paths=True):
                grouped = isinstance(branch.interpretation, uproot.interpretation.grouped.AsGrouped)
                if not grouped:
                    row = {"file": path, "tree": key, "column": name, "how": repr(branch.interpretation)[:100]}
                    print(json.dumps(row | column(branch)), flush=True)


main()
