//! The classes of histograms, as ROOT 6 has them.

use super::base_classes::{
    TARRAY, TARRAYD, TARRAYF, TATTFILL, TATTLINE, TATTMARKER, TCOLLECTION, THASHLIST, TLIST, TNAMED, TOBJECT,
    TOBJSTRING, TSEQCOLLECTION, TSTRING,
};
use super::classes::{
    Class, Member, Number, any, array, base, counter, enumeration, number, object, owned, pointer, text,
};

/// Everything that the record of a histogram is made of, base classes first.
pub(crate) const HISTOGRAM: &[&Class] = &[
    &TOBJECT,
    &TNAMED,
    &TSTRING,
    &TCOLLECTION,
    &TSEQCOLLECTION,
    &TLIST,
    &THASHLIST,
    &TOBJSTRING,
    &TATTLINE,
    &TATTFILL,
    &TATTMARKER,
    &TATTAXIS,
    &TARRAY,
    &TARRAYF,
    &TARRAYD,
    &TAXIS,
    &TH1,
];

pub(crate) const TATTAXIS: Class = Class {
    name: "TAttAxis",
    version: 4,
    checksum: 0x5c6fff3e,
    members: &[
        number(Number::Int, "fNdivisions", "Number of divisions(10000*n3 + 100*n2 + n1)"),
        number(Number::Short, "fAxisColor", "Color of the line axis"),
        number(Number::Short, "fLabelColor", "Color of labels"),
        number(Number::Short, "fLabelFont", "Font for labels"),
        number(Number::Float, "fLabelOffset", "Offset of labels"),
        number(Number::Float, "fLabelSize", "Size of labels"),
        number(Number::Float, "fTickLength", "Length of tick marks"),
        number(Number::Float, "fTitleOffset", "Offset of axis title"),
        number(Number::Float, "fTitleSize", "Size of axis title"),
        number(Number::Short, "fTitleColor", "Color of axis title"),
        number(Number::Short, "fTitleFont", "Font for axis title"),
    ],
};
pub(crate) const TAXIS: Class = Class {
    name: "TAxis",
    version: 10,
    checksum: 0x5a496e70,
    members: &[
        base(&TNAMED, "The basis for a named object (name, title)"),
        base(&TATTAXIS, "Axis attributes"),
        number(Number::Int, "fNbins", "Number of bins"),
        number(Number::Double, "fXmin", "low edge of first bin"),
        number(Number::Double, "fXmax", "upper edge of last bin"),
        any("fXbins", "Bin edges array in X", "TArrayD", 24),
        number(Number::Int, "fFirst", "first bin to display"),
        number(Number::Int, "fLast", "last bin to display"),
        number(Number::Ushort, "fBits2", "second bit status word"),
        number(Number::Bool, "fTimeDisplay", "on/off displaying time values instead of numerics"),
        text("fTimeFormat", "Date&time format, ex: 09/12/99 12:34:00"),
        pointer("fLabels", "List of labels", "THashList*"),
        pointer("fModLabs", "List of modified labels", "TList*"),
    ],
};
pub(crate) const TH1: Class = Class {
    name: "TH1",
    version: 8,
    checksum: 0x1c3740c4,
    members: &[
        base(&TNAMED, "The basis for a named object (name, title)"),
        base(&TATTLINE, "Line attributes"),
        base(&TATTFILL, "Fill area attributes"),
        base(&TATTMARKER, "Marker attributes"),
        number(Number::Int, "fNcells", "number of bins(1D), cells (2D) +U/Overflows"),
        object("fXaxis", "X axis descriptor", "TAxis", 216),
        object("fYaxis", "Y axis descriptor", "TAxis", 216),
        object("fZaxis", "Z axis descriptor", "TAxis", 216),
        number(Number::Short, "fBarOffset", "(1000*offset) for bar charts or legos"),
        number(Number::Short, "fBarWidth", "(1000*width) for bar charts or legos"),
        number(Number::Double, "fEntries", "Number of entries"),
        number(Number::Double, "fTsumw", "Total Sum of weights"),
        number(Number::Double, "fTsumw2", "Total Sum of squares of weights"),
        number(Number::Double, "fTsumwx", "Total Sum of weight*X"),
        number(Number::Double, "fTsumwx2", "Total Sum of weight*X*X"),
        number(Number::Double, "fMaximum", "Maximum value for plotting"),
        number(Number::Double, "fMinimum", "Minimum value for plotting"),
        number(Number::Double, "fNormFactor", "Normalization factor"),
        any("fContour", "Array to display contour levels", "TArrayD", 24),
        any("fSumw2", "Array of sum of squares of weights", "TArrayD", 24),
        text("fOption", "histogram options"),
        owned("fFunctions", "->Pointer to list of functions (fits and user)", "TList*"),
        counter("fBufferSize", "fBuffer size"),
        array(Number::Double, "fBuffer", "[fBufferSize] entry buffer", "fBufferSize", "TH1", 8),
        enumeration("fBinStatErrOpt", "option for bin statistical errors", "TH1::EBinErrorOpt"),
        enumeration(
            "fStatOverflows",
            "per object flag to use under/overflows in statistics",
            "TH1::EStatOverflows",
        ),
    ],
};
pub(crate) const TH1F: Class = Class {
    name: "TH1F",
    version: 3,
    checksum: 0xe2939644,
    members: &contents(&TH1, "1-Dim histogram base class", &TARRAYF, "Array of floats"),
};
pub(crate) const TH1D: Class = Class {
    name: "TH1D",
    version: 3,
    checksum: 0xf9b1569f,
    members: &contents(&TH1, "1-Dim histogram base class", &TARRAYD, "Array of doubles"),
};
pub(crate) const TH2: Class = Class {
    name: "TH2",
    version: 5,
    checksum: 0x0182347f,
    members: &[
        base(&TH1, "1-Dim histogram base class"),
        number(Number::Double, "fScalefactor", "Scale factor"),
        number(Number::Double, "fTsumwy", "Total Sum of weight*Y"),
        number(Number::Double, "fTsumwy2", "Total Sum of weight*Y*Y"),
        number(Number::Double, "fTsumwxy", "Total Sum of weight*X*Y"),
    ],
};
pub(crate) const TH2F: Class = Class {
    name: "TH2F",
    version: 4,
    checksum: 0x689cc295,
    members: &contents(&TH2, "2-Dim histogram base class", &TARRAYF, "Array of floats"),
};
pub(crate) const TH2D: Class = Class {
    name: "TH2D",
    version: 4,
    checksum: 0x7fba82f0,
    members: &contents(&TH2, "2-Dim histogram base class", &TARRAYD, "Array of doubles"),
};
pub(crate) const TATT3D: Class = Class { name: "TAtt3D", version: 1, checksum: 0x0000757a, members: &[] };
pub(crate) const TH3: Class = Class {
    name: "TH3",
    version: 6,
    checksum: 0x42d2445f,
    members: &[
        base(&TH1, "1-Dim histogram base class"),
        base(&TATT3D, "3D attributes"),
        number(Number::Double, "fTsumwy", "Total Sum of weight*Y"),
        number(Number::Double, "fTsumwy2", "Total Sum of weight*Y*Y"),
        number(Number::Double, "fTsumwxy", "Total Sum of weight*X*Y"),
        number(Number::Double, "fTsumwz", "Total Sum of weight*Z"),
        number(Number::Double, "fTsumwz2", "Total Sum of weight*Z*Z"),
        number(Number::Double, "fTsumwxz", "Total Sum of weight*X*Z"),
        number(Number::Double, "fTsumwyz", "Total Sum of weight*Y*Z"),
    ],
};
pub(crate) const TH3F: Class = Class {
    name: "TH3F",
    version: 4,
    checksum: 0x4d9c3f2b,
    members: &contents(&TH3, "3-Dim histogram base class", &TARRAYF, "Array of floats"),
};
pub(crate) const TH3D: Class = Class {
    name: "TH3D",
    version: 4,
    checksum: 0x64b9ff86,
    members: &contents(&TH3, "3-Dim histogram base class", &TARRAYD, "Array of doubles"),
};

/// The members of a histogram with bins of one type.
const fn contents(
    histogram: &'static Class,
    title: &'static str,
    bins: &'static Class,
    bins_title: &'static str,
) -> [Member; 2] {
    [base(histogram, title), base(bins, bins_title)]
}
