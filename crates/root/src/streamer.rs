//! TStreamerInfo: how each version of each class lays out its members.
//!
//! A file carries the layouts of what it holds. Objects are read by them, so that trees of any ROOT version are read by
//! one piece of code. Where a file's own list is missing or broken, the layouts built in here stand in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::error::Result;
use crate::file::Record;
use crate::object::{Object, ObjectId, Reader, Value};
use crate::prim::Prim;

/// The type code of `int`.
const INT: i32 = 3;

/// One member of a class.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    pub(crate) title: String,
    pub(crate) type_name: String,
    pub(crate) step: Step,
    pub(crate) element: Element,
}

/// What else a TStreamerElement says of a member.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    /// The element's own class, such as "TStreamerSTL".
    pub(crate) kind: Arc<str>,
    pub(crate) code: i32,
    /// The sizes of a fixed array.
    pub(crate) dims: Vec<usize>,
    /// The member that counts a varying array's items.
    pub(crate) count: Option<Arc<str>>,
    /// The version of a base class.
    pub(crate) base_version: Option<i32>,
    /// The type code of a collection's items; 0 where it is not told.
    pub(crate) items: i32,
}

/// How a member is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A base class, written with a header of its own.
    Base(Arc<str>),
    Number(Prim),
    /// A fixed number of them.
    Numbers(Prim, usize),
    /// As many as an earlier member of this name says, after one byte that says whether there are any.
    Counted(Prim, Arc<str>),
    Text,
    TObject,
    TNamed,
    /// An object of this class in place.
    Inline(Arc<str>),
    /// A pointer: null, a reference to an earlier object, or an object with its class.
    Pointer,
    /// Something that metadata never needs; it is skipped where it says its own length.
    Other(i32),
}

/// The layout of one version of a class.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) class: Arc<str>,
    /// A hash of the members, by which classes without versions tell theirs.
    pub(crate) checksum: u32,
    pub(crate) members: Vec<Member>,
}

/// The layouts of a file, by class and version.
#[derive(Debug, Default)]
pub(crate) struct Streamers {
    layouts: BTreeMap<Arc<str>, BTreeMap<i32, Arc<Layout>>>,
    /// All layouts in the order of the file, also those of which another one has the same version.
    all: Vec<(i32, Arc<Layout>)>,
    /// Class names by their names without spaces: "A<B> >" is written in several ways.
    squeezed: BTreeMap<String, Arc<str>>,
    /// By a class: those that inherit from it directly.
    derived: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The types of members that are written as `int` without being one.
    enumerations: BTreeSet<String>,
}

impl Streamers {
    /// The layout of a version; the newest where the file does not have it, then what is built in.
    pub(crate) fn get(&self, class: &str, version: i32) -> Option<&Arc<Layout>> {
        let versions = self.layouts.get(class).or_else(|| built_in().layouts.get(class))?;
        versions.get(&version).or_else(|| versions.last_key_value().map(|(_, layout)| layout))
    }

    /// The newest layout of a class.
    pub(crate) fn newest(&self, class: &str) -> Option<&Arc<Layout>> {
        self.get(class, i32::MAX)
    }

    /// All versions of a class, whose name may be spelt with other spaces.
    pub(crate) fn versions(&self, class: &str) -> Option<&BTreeMap<i32, Arc<Layout>>> {
        let own = || self.layouts.get(self.squeezed.get(&class.replace(' ', ""))?);
        self.layouts.get(class).or_else(own).or_else(|| built_in().layouts.get(class))
    }

    /// Every layout with its version, in the order of the file.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i32, &Layout)> {
        self.all.iter().map(|(version, layout)| (*version, &**layout))
    }

    /// Whether a type is an enumeration: members of it are written as `int`, and no class is known by its name.
    pub(crate) fn is_enumeration(&self, name: &str) -> bool {
        self.enumerations.contains(name)
    }

    /// The classes that inherit from a class, the nearest first, not more than so many.
    pub(crate) fn derived(&self, class: &str, most: usize) -> Vec<Arc<str>> {
        let mut found: Vec<Arc<str>> = Vec::new();
        let mut next: Arc<str> = class.into();
        for i in 0..most {
            for name in self.derived.get(&next).into_iter().flatten() {
                if found.len() < most && &**name != class && !found.contains(name) {
                    found.push(Arc::clone(name));
                }
            }
            match found.get(i) {
                Some(name) => next = Arc::clone(name),
                None => break,
            }
        }
        found
    }

    fn insert(&mut self, version: i32, layout: Layout) {
        let enumeration = |m: &&Member| m.element.code == INT && Prim::from_name(&m.type_name).is_none();
        let enumerations = layout.members.iter().filter(enumeration);
        self.enumerations.extend(enumerations.map(|member| member.type_name.clone()));
        for member in &layout.members {
            if let Step::Base(base) = &member.step {
                let derived = self.derived.entry(Arc::clone(base)).or_default();
                if derived.last() != Some(&layout.class) {
                    derived.push(Arc::clone(&layout.class));
                }
            }
        }
        let layout = Arc::new(layout);
        self.squeezed.insert(layout.class.replace(' ', ""), Arc::clone(&layout.class));
        self.layouts.entry(Arc::clone(&layout.class)).or_default().insert(version, Arc::clone(&layout));
        self.all.push((version, layout));
    }

    /// Reads the streamer list. What cannot be read is left out: it is then missing where it is needed, and named there.
    pub(crate) fn read(record: &Record<'_>) -> Self {
        let mut out = Self::default();
        let bootstrap = Self::default();
        let mut reader = Reader::new(record, &bootstrap);
        let Ok(list) = reader.top("TList") else { return out };
        // A member takes 60 bytes at least. More of them than fit mean that infos share their members endlessly.
        let mut left = record.data.len() / 40;
        for info in list.items.iter().flatten() {
            let Some(object) = reader.get(*info).filter(|o| &*o.class == "TStreamerInfo") else { continue };
            if let Some((version, layout)) = layout(object, &reader, &mut left) {
                out.insert(version, layout);
            }
        }
        out
    }
}

fn layout(info: &Object, reader: &Reader<'_>, left: &mut usize) -> Option<(i32, Layout)> {
    let version = i32::try_from(info.int("fClassVersion")?).ok()?;
    let elements = info.object("fElements", reader)?;
    *left = left.checked_sub(elements.items.len())?;
    let ints = |element: &Object, name: &str| element.ints(name, reader.record());
    let element = |id: &Option<ObjectId>| reader.get((*id)?).and_then(|e| member(e, &ints(e, "fMaxIndex")));
    let members = elements.items.iter().map(element).collect::<Option<Vec<_>>>()?;
    let checksum = info.int("fCheckSum").unwrap_or(0) as u32;
    Some((version, Layout { class: info.text("fName")?.into(), checksum, members }))
}

fn member(element: &Object, max_index: &[i64]) -> Option<Member> {
    let name: Arc<str> = element.text("fName")?.into();
    let title = element.text("fTitle").unwrap_or_default().to_owned();
    let type_name = element.text("fTypeName")?.to_owned();
    let class: Arc<str> = type_name.trim_end_matches('*').trim().into();
    let code = i32::try_from(element.int("fType")?).ok()?;
    let len = usize::try_from(element.int("fArrayLength").unwrap_or(0)).ok()?;
    let step = match code {
        0 => Step::Base(Arc::clone(&name)),
        1..=19 if code != 7 => Step::Number(Prim::from_code(code)?),
        21..=39 if code != 27 && len > 0 => Step::Numbers(Prim::from_code(code - 20)?, len),
        41..=59 if code != 47 => {
            Step::Counted(Prim::from_code(code - 40)?, element.text("fCountName")?.into())
        }
        61 | 62 if len == 0 => Step::Inline(class),
        63 | 68 if len == 0 => Step::Inline(class),
        64 | 69 if len == 0 => Step::Pointer,
        65 if len == 0 => Step::Text,
        66 => Step::TObject,
        67 => Step::TNamed,
        other => Step::Other(other),
    };
    let dims = usize::try_from(element.int("fArrayDim").unwrap_or(0)).unwrap_or(0);
    let dims: Vec<usize> = max_index.iter().take(dims).filter_map(|&n| usize::try_from(n).ok()).collect();
    let element = Element {
        kind: Arc::clone(&element.class),
        code,
        // Old files leave the dimensions out.
        dims: match dims.iter().try_fold(1usize, |all, &n| all.checked_mul(n)) {
            _ if len == 0 => Vec::new(),
            Some(all) if all == len => dims,
            _ => vec![len],
        },
        count: element.text("fCountName").map(Into::into),
        base_version: element.int("fBaseVersion").and_then(|n| i32::try_from(n).ok()).filter(|&n| n >= 0),
        items: element.int("fCtype").and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
    };
    Some(Member { name, title, type_name, step, element })
}

/// The members of the objects that make up the streamer list itself: always written the same way.
pub(crate) fn built_in() -> &'static Streamers {
    static BUILT_IN: OnceLock<Streamers> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let mut streamers = Streamers::default();
        for line in LAYOUTS.lines().filter(|line| !line.is_empty()) {
            let mut words = line.split_whitespace();
            let (Some(class), Some(version)) = (words.next(), words.next()) else { continue };
            let members = words.filter_map(built_in_member).collect();
            streamers
                .insert(version.parse().unwrap_or(0), Layout { class: class.into(), checksum: 0, members });
        }
        streamers
    })
}

fn built_in_member(word: &str) -> Option<Member> {
    let (name, kind) = word.split_once(':')?;
    let name: Arc<str> = name.into();
    let step = match kind.split_once('/').unwrap_or((kind, "")) {
        ("base", _) => Step::Base(Arc::clone(&name)),
        ("text", _) => Step::Text,
        ("named", _) => Step::TNamed,
        ("pointer", _) => Step::Pointer,
        ("inline", class) => Step::Inline(class.into()),
        (number, "") => Step::Number(Prim::from_name(number)?),
        (number, count) => match count.parse() {
            Ok(n) => Step::Numbers(Prim::from_name(number)?, n),
            Err(_) => Step::Counted(Prim::from_name(number)?, count.into()),
        },
    };
    Some(Member { name, title: String::new(), type_name: String::new(), step, element: Element::default() })
}

/// class, version, members. The streamer list's own classes, then those of trees at the versions of ROOT 5.34 and 6.
const LAYOUTS: &str = "
TStreamerInfo 9 TNamed:named fCheckSum:uint32_t fClassVersion:int32_t fElements:pointer
TStreamerElement 4 TNamed:named fType:int32_t fSize:int32_t fArrayLength:int32_t fArrayDim:int32_t fMaxIndex:int32_t/5 fTypeName:text
TStreamerBase 2 TStreamerElement:base
TStreamerBase 3 TStreamerElement:base fBaseVersion:int32_t
TStreamerBasicType 2 TStreamerElement:base
TStreamerBasicPointer 2 TStreamerElement:base fCountVersion:int32_t fCountName:text fCountClass:text
TStreamerLoop 2 TStreamerElement:base fCountVersion:int32_t fCountName:text fCountClass:text
TStreamerObject 2 TStreamerElement:base
TStreamerObjectPointer 2 TStreamerElement:base
TStreamerObjectAny 2 TStreamerElement:base
TStreamerObjectAnyPointer 2 TStreamerElement:base
TStreamerString 2 TStreamerElement:base
TStreamerSTL 3 TStreamerElement:base fSTLtype:int32_t fCtype:int32_t
TStreamerSTLstring 2 TStreamerSTL:base
TStreamerArtificial 0 TStreamerElement:base
TAttLine 2 fLineColor:int16_t fLineStyle:int16_t fLineWidth:int16_t
TAttFill 2 fFillColor:int16_t fFillStyle:int16_t
TAttMarker 2 fMarkerColor:int16_t fMarkerStyle:int16_t fMarkerSize:float
TNtuple 2 TTree:base fNvar:int32_t
TNtupleD 1 TTree:base fNvar:int32_t
TTree 19 TNamed:named TAttLine:base TAttFill:base TAttMarker:base fEntries:int64_t fTotBytes:int64_t fZipBytes:int64_t fSavedBytes:int64_t fFlushedBytes:int64_t fWeight:double fTimerInterval:int32_t fScanField:int32_t fUpdate:int32_t fDefaultEntryOffsetLen:int32_t fMaxEntries:int64_t fMaxEntryLoop:int64_t fMaxVirtualSize:int64_t fAutoSave:int64_t fAutoFlush:int64_t fEstimate:int64_t fBranches:inline/TObjArray fLeaves:inline/TObjArray
TTree 20 TNamed:named TAttLine:base TAttFill:base TAttMarker:base fEntries:int64_t fTotBytes:int64_t fZipBytes:int64_t fSavedBytes:int64_t fFlushedBytes:int64_t fWeight:double fTimerInterval:int32_t fScanField:int32_t fUpdate:int32_t fDefaultEntryOffsetLen:int32_t fNClusterRange:uint32_t fMaxEntries:int64_t fMaxEntryLoop:int64_t fMaxVirtualSize:int64_t fAutoSave:int64_t fAutoFlush:int64_t fEstimate:int64_t fClusterRangeEnd:int64_t/fNClusterRange fClusterSize:int64_t/fNClusterRange fIOFeatures:inline/ROOT::TIOFeatures fBranches:inline/TObjArray fLeaves:inline/TObjArray
ROOT::TIOFeatures 1 fIOBits:uint8_t
TBranch 12 TNamed:named TAttFill:base fCompress:int32_t fBasketSize:int32_t fEntryOffsetLen:int32_t fWriteBasket:int32_t fEntryNumber:int64_t fOffset:int32_t fMaxBaskets:uint32_t fSplitLevel:int32_t fEntries:int64_t fFirstEntry:int64_t fTotBytes:int64_t fZipBytes:int64_t fBranches:inline/TObjArray fLeaves:inline/TObjArray fBaskets:inline/TObjArray fBasketBytes:int32_t/fMaxBaskets fBasketEntry:int64_t/fMaxBaskets fBasketSeek:int64_t/fMaxBaskets fFileName:text
TBranch 13 TNamed:named TAttFill:base fCompress:int32_t fBasketSize:int32_t fEntryOffsetLen:int32_t fWriteBasket:int32_t fEntryNumber:int64_t fIOFeatures:inline/ROOT::TIOFeatures fOffset:int32_t fMaxBaskets:uint32_t fSplitLevel:int32_t fEntries:int64_t fFirstEntry:int64_t fTotBytes:int64_t fZipBytes:int64_t fBranches:inline/TObjArray fLeaves:inline/TObjArray fBaskets:inline/TObjArray fBasketBytes:int32_t/fMaxBaskets fBasketEntry:int64_t/fMaxBaskets fBasketSeek:int64_t/fMaxBaskets fFileName:text
TBranchElement 10 TBranch:base fClassName:text fParentName:text fClonesName:text fCheckSum:uint32_t fClassVersion:uint16_t fID:int32_t fType:int32_t fStreamerType:int32_t fMaximum:int32_t fBranchCount:pointer fBranchCount2:pointer
TLeaf 2 TNamed:named fLen:int32_t fLenType:int32_t fOffset:int32_t fIsRange:bool fIsUnsigned:bool fLeafCount:pointer
TLeafB 1 TLeaf:base fMinimum:int8_t fMaximum:int8_t
TLeafC 1 TLeaf:base fMinimum:int32_t fMaximum:int32_t
TLeafD 1 TLeaf:base fMinimum:double fMaximum:double
TLeafD32 1 TLeaf:base fMinimum:Double32_t fMaximum:Double32_t
TLeafElement 1 TLeaf:base fID:int32_t fType:int32_t
TLeafF 1 TLeaf:base fMinimum:float fMaximum:float
TLeafF16 1 TLeaf:base
TLeafG 1 TLeaf:base fMinimum:int64_t fMaximum:int64_t
TLeafI 1 TLeaf:base fMinimum:int32_t fMaximum:int32_t
TLeafL 1 TLeaf:base fMinimum:int64_t fMaximum:int64_t
TLeafO 1 TLeaf:base fMinimum:bool fMaximum:bool
TLeafS 1 TLeaf:base fMinimum:int16_t fMaximum:int16_t
";

/// Reads a value that a layout describes; kept beside the layouts so that both change together.
pub(crate) fn read_step(
    step: &Step,
    object: &Object,
    reader: &mut Reader<'_>,
    depth: usize,
) -> Result<Value> {
    match step {
        Step::Number(prim) => reader.number(*prim),
        Step::Numbers(prim, n) => reader.numbers(*prim, *n),
        Step::Counted(prim, count) => reader.counted(*prim, object.int(count)),
        Step::Text => reader.text(),
        Step::TObject => reader.t_object().map(|()| Value::Skipped),
        Step::TNamed => reader.inline("TNamed", depth),
        Step::Base(class) | Step::Inline(class) => reader.inline(class, depth),
        Step::Pointer => reader.pointer(depth).map(Value::Reference),
        Step::Other(code) => reader.skip(*code),
    }
}
