//! The classes of trees, as ROOT 6 has them.

use super::base_classes::{
    TARRAY, TARRAYD, TARRAYI, TATTFILL, TATTLINE, TATTMARKER, TCOLLECTION, TLIST, TNAMED, TOBJARRAY, TOBJECT,
    TSEQCOLLECTION, TSTRING,
};
use super::classes::{
    Class, Member, Number, any, array, base, counter, number, object, pointer, strings, text,
};

/// Everything that the record of a tree is made of, base classes first.
pub(crate) const TREE: &[&Class] = &[
    &TOBJECT,
    &TNAMED,
    &TSTRING,
    &TCOLLECTION,
    &TSEQCOLLECTION,
    &TLIST,
    &TOBJARRAY,
    &TATTLINE,
    &TATTFILL,
    &TATTMARKER,
    &TARRAY,
    &TARRAYD,
    &TARRAYI,
    &TIOFEATURES,
    &TTREE,
    &TBRANCH,
    &TBRANCHELEMENT,
    &TBRANCHREF,
    &TREFTABLE,
    &TLEAF,
    &TLEAFB,
    &TLEAFS,
    &TLEAFI,
    &TLEAFL,
    &TLEAFF,
    &TLEAFD,
    &TLEAFO,
    &TLEAFC,
    &TLEAFELEMENT,
];

pub(crate) const TIOFEATURES: Class = Class {
    name: "ROOT::TIOFeatures",
    version: 1,
    checksum: 0x1aa12f10,
    members: &[number(Number::Uchar, "fIOBits", "")],
};
pub(crate) const TTREE: Class = Class {
    name: "TTree",
    version: 20,
    checksum: 0x7264e07f,
    members: &[
        base(&TNAMED, "The basis for a named object (name, title)"),
        base(&TATTLINE, "Line attributes"),
        base(&TATTFILL, "Fill area attributes"),
        base(&TATTMARKER, "Marker attributes"),
        number(Number::Long64, "fEntries", "Number of entries"),
        number(Number::Long64, "fTotBytes", "Total number of bytes in all branches before compression"),
        number(Number::Long64, "fZipBytes", "Total number of bytes in all branches after compression"),
        number(Number::Long64, "fSavedBytes", "Number of autosaved bytes"),
        number(Number::Long64, "fFlushedBytes", "Number of auto-flushed bytes"),
        number(Number::Double, "fWeight", "Tree weight (see TTree::SetWeight)"),
        number(Number::Int, "fTimerInterval", "Timer interval in milliseconds"),
        number(Number::Int, "fScanField", "Number of runs before prompting in Scan"),
        number(Number::Int, "fUpdate", "Update frequency for EntryLoop"),
        number(
            Number::Int,
            "fDefaultEntryOffsetLen",
            "Initial Length of fEntryOffset table in the basket buffers",
        ),
        counter("fNClusterRange", "Number of Cluster range in addition to the one defined by 'AutoFlush'"),
        number(Number::Long64, "fMaxEntries", "Maximum number of entries in case of circular buffers"),
        number(Number::Long64, "fMaxEntryLoop", "Maximum number of entries to process"),
        number(Number::Long64, "fMaxVirtualSize", "Maximum total size of buffers kept in memory"),
        number(
            Number::Long64,
            "fAutoSave",
            "Autosave tree when fAutoSave entries written or -fAutoSave (compressed) bytes produced",
        ),
        number(
            Number::Long64,
            "fAutoFlush",
            "Auto-flush tree when fAutoFlush entries written or -fAutoFlush (compressed) bytes produced",
        ),
        number(Number::Long64, "fEstimate", "Number of entries to estimate histogram limits"),
        array(
            Number::Long64,
            "fClusterRangeEnd",
            "[fNClusterRange] Last entry of a cluster range.",
            "fNClusterRange",
            "TTree",
            20,
        ),
        array(
            Number::Long64,
            "fClusterSize",
            "[fNClusterRange] Number of entries in each cluster for a given range.",
            "fNClusterRange",
            "TTree",
            20,
        ),
        any(
            "fIOFeatures",
            "IO features to define for newly-written baskets and branches.",
            "ROOT::TIOFeatures",
            1,
        ),
        object("fBranches", "List of Branches", "TObjArray", 64),
        object("fLeaves", "Direct pointers to individual branch leaves", "TObjArray", 64),
        pointer("fAliases", "List of aliases for expressions based on the tree branches.", "TList*"),
        any("fIndexValues", "Sorted index values", "TArrayD", 24),
        any("fIndex", "Index of sorted values", "TArrayI", 24),
        pointer("fTreeIndex", "Pointer to the tree Index (if any)", "TVirtualIndex*"),
        pointer("fFriends", "pointer to list of friend elements", "TList*"),
        pointer("fUserInfo", "pointer to a list of user objects associated to this Tree", "TList*"),
        pointer("fBranchRef", "Branch supporting the TRefTable (if any)", "TBranchRef*"),
    ],
};
pub(crate) const TBRANCH: Class = Class {
    name: "TBranch",
    version: 13,
    checksum: 0x10978aac,
    members: &[
        base(&TNAMED, "The basis for a named object (name, title)"),
        base(&TATTFILL, "Fill area attributes"),
        number(Number::Int, "fCompress", "Compression level and algorithm"),
        number(Number::Int, "fBasketSize", "Initial Size of  Basket Buffer"),
        number(Number::Int, "fEntryOffsetLen", "Initial Length of fEntryOffset table in the basket buffers"),
        number(Number::Int, "fWriteBasket", "Last basket number written"),
        number(Number::Long64, "fEntryNumber", "Current entry number (last one filled in this branch)"),
        any("fIOFeatures", "IO features for newly-created baskets.", "ROOT::TIOFeatures", 1),
        number(Number::Int, "fOffset", "Offset of this branch"),
        counter("fMaxBaskets", "Maximum number of Baskets so far"),
        number(Number::Int, "fSplitLevel", "Branch split level"),
        number(Number::Long64, "fEntries", "Number of entries"),
        number(Number::Long64, "fFirstEntry", "Number of the first entry in this branch"),
        number(Number::Long64, "fTotBytes", "Total number of bytes in all leaves before compression"),
        number(Number::Long64, "fZipBytes", "Total number of bytes in all leaves after compression"),
        object("fBranches", "-> List of Branches of this branch", "TObjArray", 64),
        object("fLeaves", "-> List of leaves of this branch", "TObjArray", 64),
        object("fBaskets", "-> List of baskets of this branch", "TObjArray", 64),
        array(
            Number::Int,
            "fBasketBytes",
            "[fMaxBaskets] Length of baskets on file",
            "fMaxBaskets",
            "TBranch",
            13,
        ),
        array(
            Number::Long64,
            "fBasketEntry",
            "[fMaxBaskets] Table of first entry in each basket",
            "fMaxBaskets",
            "TBranch",
            13,
        ),
        array(
            Number::Long64,
            "fBasketSeek",
            "[fMaxBaskets] Addresses of baskets on file",
            "fMaxBaskets",
            "TBranch",
            13,
        ),
        text("fFileName", "Name of file where buffers are stored (\"\" if in same file as Tree header)"),
    ],
};
pub(crate) const TBRANCHELEMENT: Class = Class {
    name: "TBranchElement",
    version: 10,
    checksum: 0xe74f5e63,
    members: &[
        base(&TBRANCH, "Branch descriptor"),
        text("fClassName", "Class name of referenced object"),
        text("fParentName", "Name of parent class"),
        text("fClonesName", "Name of class in TClonesArray (if any)"),
        number(Number::Uint, "fCheckSum", "CheckSum of class"),
        number(Number::Short, "fClassVersion", "Version number of class"),
        number(Number::Int, "fID", "element serial number in fInfo"),
        number(Number::Int, "fType", "branch type"),
        number(Number::Int, "fStreamerType", "branch streamer type"),
        number(Number::Int, "fMaximum", "Maximum entries for a TClonesArray or variable array"),
        pointer("fBranchCount", "pointer to primary branchcount branch", "TBranchElement*"),
        pointer("fBranchCount2", "pointer to secondary branchcount branch", "TBranchElement*"),
    ],
};
pub(crate) const TBRANCHREF: Class = Class {
    name: "TBranchRef",
    version: 1,
    checksum: 0x2360b3fd,
    members: &[
        base(&TBRANCH, "Branch descriptor"),
        pointer("fRefTable", "pointer to the TRefTable", "TRefTable*"),
    ],
};
pub(crate) const TREFTABLE: Class = Class {
    name: "TRefTable",
    version: 3,
    checksum: 0x8c895b85,
    members: &[
        base(&TOBJECT, "Basic ROOT object"),
        number(Number::Int, "fSize", "dummy for backward compatibility"),
        pointer(
            "fParents",
            "array of Parent objects  (eg TTree branch) holding the referenced objects",
            "TObjArray*",
        ),
        pointer("fOwner", "Object owning this TRefTable", "TObject*"),
        strings("fProcessGUIDs", "UUIDs of TProcessIDs used in fParentIDs"),
    ],
};
pub(crate) const TLEAF: Class = Class {
    name: "TLeaf",
    version: 2,
    checksum: 0x6d1e8152,
    members: &[
        base(&TNAMED, "The basis for a named object (name, title)"),
        number(Number::Int, "fLen", "Number of fixed length elements in the leaf's data."),
        number(Number::Int, "fLenType", "Number of bytes for this data type"),
        number(Number::Int, "fOffset", "Offset in ClonesArray object (if one)"),
        number(
            Number::Bool,
            "fIsRange",
            "(=kTRUE if leaf has a range, kFALSE otherwise).  This is equivalent to being a 'leafcount'.  For a TLeafElement the range information is actually store in the TBranchElement.",
        ),
        number(Number::Bool, "fIsUnsigned", "(=kTRUE if unsigned, kFALSE otherwise)"),
        pointer(
            "fLeafCount",
            "Pointer to Leaf count if variable length (we do not own the counter)",
            "TLeaf*",
        ),
    ],
};
pub(crate) const TLEAFB: Class =
    Class { name: "TLeafB", version: 1, checksum: 0x0f1e4b5e, members: &extremes(Number::Char) };
pub(crate) const TLEAFS: Class =
    Class { name: "TLeafS", version: 1, checksum: 0x150ceecf, members: &extremes(Number::Short) };
pub(crate) const TLEAFI: Class =
    Class { name: "TLeafI", version: 1, checksum: 0x7e6aae19, members: &extremes(Number::Int) };
pub(crate) const TLEAFL: Class =
    Class { name: "TLeafL", version: 1, checksum: 0xde320862, members: &extremes(Number::Long64) };
pub(crate) const TLEAFF: Class =
    Class { name: "TLeafF", version: 1, checksum: 0x3add9d72, members: &extremes(Number::Float) };
pub(crate) const TLEAFD: Class =
    Class { name: "TLeafD", version: 1, checksum: 0x118e8776, members: &extremes(Number::Double) };
pub(crate) const TLEAFO: Class =
    Class { name: "TLeafO", version: 1, checksum: 0x02ae48d3, members: &extremes(Number::Bool) };
pub(crate) const TLEAFC: Class =
    Class { name: "TLeafC", version: 1, checksum: 0xfbe3b2f3, members: &extremes(Number::Int) };
pub(crate) const TLEAFELEMENT: Class = Class {
    name: "TLeafElement",
    version: 1,
    checksum: 0xa04f8893,
    members: &[
        base(&TLEAF, "Leaf: description of a Branch data type"),
        number(Number::Int, "fID", "element serial number in fInfo"),
        number(Number::Int, "fType", "leaf type"),
    ],
};

/// The members of a leaf of numbers.
const fn extremes(kind: Number) -> [Member; 3] {
    [
        base(&TLEAF, "Leaf: description of a Branch data type"),
        number(kind, "fMinimum", "Minimum value if leaf range is specified"),
        number(kind, "fMaximum", "Maximum value if leaf range is specified"),
    ]
}

/// The anchor of an RNTuple.
pub(crate) const RNTUPLE: Class = Class {
    name: "ROOT::RNTuple",
    version: 2,
    checksum: 0x28e6_32ec,
    members: &[
        number(Number::Ushort, "fVersionEpoch", ""),
        number(Number::Ushort, "fVersionMajor", ""),
        number(Number::Ushort, "fVersionMinor", ""),
        number(Number::Ushort, "fVersionPatch", ""),
        number(Number::Ulong, "fSeekHeader", ""),
        number(Number::Ulong, "fNBytesHeader", ""),
        number(Number::Ulong, "fLenHeader", ""),
        number(Number::Ulong, "fSeekFooter", ""),
        number(Number::Ulong, "fNBytesFooter", ""),
        number(Number::Ulong, "fLenFooter", ""),
        number(Number::Ulong, "fMaxKeySize", ""),
    ],
};
