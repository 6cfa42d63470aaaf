//! The classes that those of trees and histograms derive from or consist of, as ROOT 6 has them.

use super::classes::{Class, Member, Number, array, base, bits, counter, number, text};

pub(crate) const TOBJECT: Class = Class {
    name: "TObject",
    version: 1,
    checksum: 0x901bc02d,
    members: &[
        number(Number::Uint, "fUniqueID", "object unique identifier"),
        bits("fBits", "bit field status word"),
    ],
};
pub(crate) const TNAMED: Class = Class {
    name: "TNamed",
    version: 1,
    checksum: 0xdfb74a3c,
    members: &[
        base(&TOBJECT, "Basic ROOT object"),
        text("fName", "object identifier"),
        text("fTitle", "object title"),
    ],
};
pub(crate) const TSTRING: Class = Class { name: "TString", version: 2, checksum: 0x00017419, members: &[] };
pub(crate) const TCOLLECTION: Class = Class {
    name: "TCollection",
    version: 3,
    checksum: 0x57e3cb9c,
    members: &[
        base(&TOBJECT, "Basic ROOT object"),
        text("fName", "name of the collection"),
        number(Number::Int, "fSize", "number of elements in collection"),
    ],
};
pub(crate) const TSEQCOLLECTION: Class = Class {
    name: "TSeqCollection",
    version: 0,
    checksum: 0xfc6c3bc6,
    members: &[base(&TCOLLECTION, "Collection abstract base class")],
};
pub(crate) const TLIST: Class = Class {
    name: "TList",
    version: 5,
    checksum: 0x69c5c3bb,
    members: &[base(&TSEQCOLLECTION, "Sequenceable collection ABC")],
};
pub(crate) const THASHLIST: Class = Class {
    name: "THashList",
    version: 0,
    checksum: 0xcc7e49c1,
    members: &[base(&TLIST, "Doubly linked list")],
};
pub(crate) const TOBJARRAY: Class = Class {
    name: "TObjArray",
    version: 3,
    checksum: 0xa99e6552,
    members: &[
        base(&TSEQCOLLECTION, "Sequenceable collection ABC"),
        number(Number::Int, "fLowerBound", "Lower bound of the array"),
        number(Number::Int, "fLast", "Last element in array containing an object"),
    ],
};
pub(crate) const TOBJSTRING: Class = Class {
    name: "TObjString",
    version: 1,
    checksum: 0x9c8e4800,
    members: &[base(&TOBJECT, "Basic ROOT object"), text("fString", "wrapped TString")],
};
pub(crate) const TATTLINE: Class = Class {
    name: "TAttLine",
    version: 2,
    checksum: 0x94074549,
    members: &[
        number(Number::Short, "fLineColor", "Line color"),
        number(Number::Short, "fLineStyle", "Line style"),
        number(Number::Short, "fLineWidth", "Line width"),
    ],
};
pub(crate) const TATTFILL: Class = Class {
    name: "TAttFill",
    version: 2,
    checksum: 0xffd92a92,
    members: &[
        number(Number::Short, "fFillColor", "Fill area color"),
        number(Number::Short, "fFillStyle", "Fill area style"),
    ],
};
pub(crate) const TATTMARKER: Class = Class {
    name: "TAttMarker",
    version: 2,
    checksum: 0x291d8bec,
    members: &[
        number(Number::Short, "fMarkerColor", "Marker color"),
        number(Number::Short, "fMarkerStyle", "Marker style"),
        number(Number::Float, "fMarkerSize", "Marker size"),
    ],
};
pub(crate) const TARRAY: Class = Class {
    name: "TArray",
    version: 1,
    checksum: 0x007021b2,
    members: &[counter("fN", "Number of array elements")],
};
pub(crate) const TARRAYI: Class = Class {
    name: "TArrayI",
    version: 1,
    checksum: 0xd9d571c7,
    members: &items(Number::Int, "[fN] Array of fN 32 bit integers"),
};
pub(crate) const TARRAYF: Class = Class {
    name: "TArrayF",
    version: 1,
    checksum: 0x5a0bf6f1,
    members: &items(Number::Float, "[fN] Array of fN floats"),
};
pub(crate) const TARRAYD: Class = Class {
    name: "TArrayD",
    version: 1,
    checksum: 0x7139ef34,
    members: &items(Number::Double, "[fN] Array of fN doubles"),
};

/// The members of an array's class.
const fn items(kind: Number, title: &'static str) -> [Member; 2] {
    [base(&TARRAY, "Abstract array base class"), array(kind, "fArray", title, "fN", "TArray", 1)]
}
