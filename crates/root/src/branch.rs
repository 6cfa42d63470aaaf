//! Branches and leaves, as their objects describe them.

use std::collections::{BTreeMap, BTreeSet};

use crate::basket::{Embedded, Stored};
use crate::error::Result;
use crate::file::RootFile;
use crate::object::{Object, ObjectId, Reader};

/// A branch: where its baskets are, and what its leaves say of its bytes.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) title: String,
    /// Of a TBranchElement: the class that it holds, or whose member it is.
    pub(crate) class_name: String,
    pub(crate) parent_name: String,
    /// Of a collection: the class of its items.
    pub(crate) clones_name: String,
    /// The type code of a TBranchElement's member; -1 for a whole object, -2 for a plain TBranch.
    pub(crate) streamer_type: i32,
    pub(crate) is_clones: bool,
    /// A `TBranchObject`: its entries name their class.
    pub(crate) is_object: bool,
    /// What a TBranchElement is: -1 for an object that its class's own streamer writes, 0 for other leaves.
    pub(crate) branch_type: i32,
    /// The version of the class that it holds.
    pub(crate) class_version: i32,
    pub(crate) unknown: Option<String>,
    pub(crate) leaves: Vec<ObjectId>,
    pub(crate) children: Vec<Branch>,
    pub(crate) entries: u64,
    /// The first entry of each basket, and the end.
    pub(crate) starts: Vec<u64>,
    pub(crate) stored: Vec<Stored>,
    pub(crate) embedded: Vec<Embedded>,
    /// Why the baskets cannot be used.
    pub(crate) broken: Option<String>,
    pub(crate) other_file: Option<String>,
    pub(crate) total_bytes: u64,
    pub(crate) zip_bytes: u64,
}

/// A leaf: the type of a value.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) unsigned: bool,
    /// The number of values in each item, where its dimensions do not stand in the title.
    pub(crate) len: usize,
    /// The type code of a TLeafElement.
    pub(crate) code: i32,
    /// The leaf that counts this one's items.
    pub(crate) count: Option<ObjectId>,
}

pub(crate) type Leaves = BTreeMap<ObjectId, Leaf>;

/// What a branch needs to know of the branch that it belongs to; the default stands for the tree.
#[derive(Default)]
pub(crate) struct Owner {
    pub(crate) is_branch: bool,
    pub(crate) class_name: String,
    clones_name: String,
}

impl Owner {
    /// Whether a sub-branch holds the members of a collection's items, one after the other.
    pub(crate) fn in_collection(&self, branch: &Branch) -> bool {
        self.is_branch
            && (self.class_name == "TClonesArray"
                || (!branch.parent_name.is_empty()
                    && squeeze(&self.clones_name) == squeeze(&branch.parent_name)))
    }
}

fn squeeze(name: &str) -> String {
    name.replace(' ', "")
}

/// Reads branches out of the objects of a tree's record.
pub(crate) struct Walk<'a> {
    reader: &'a Reader<'a>,
    file: &'a RootFile,
    /// Branches, leaves and baskets belong to one owner each. A file where they have several could make us follow a
    /// circle, or copy one object many times.
    used: BTreeSet<ObjectId>,
    /// How many bytes of paths may still be made: names repeat in the paths of all that is below them.
    paths: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(reader: &'a Reader<'a>, file: &'a RootFile) -> Self {
        let paths = reader.record().len().saturating_mul(64);
        Self { reader, file, used: BTreeSet::new(), paths }
    }

    /// The branches of an object array, depth first.
    pub(crate) fn branches(&mut self, array: &Object, parent: &str) -> Result<Vec<Branch>> {
        let ids = self.fresh(array)?;
        ids.into_iter()
            .filter_map(|id| self.reader.get(id))
            .map(|object| self.branch(object, parent))
            .collect()
    }

    /// The items of an array that nothing else has claimed.
    fn fresh(&mut self, array: &Object) -> Result<Vec<ObjectId>> {
        let ids: Vec<_> = array.items.iter().flatten().copied().collect();
        match ids.iter().find(|&&id| !self.used.insert(id)) {
            None => Ok(ids),
            Some(&id) => {
                let class = self.reader.get(id).map_or("unknown", |object| &object.class);
                Err(self.reader.place().error(0, format!("a {class} belongs to two owners")))
            }
        }
    }

    fn branch(&mut self, object: &Object, parent: &str) -> Result<Branch> {
        let place = self.reader.place();
        let Some(name) = object.text("fName") else {
            return Err(place.error(0, format!("a branch of class {} has no name", object.class)));
        };
        let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
        self.paths = match self.paths.checked_sub(path.len()) {
            Some(left) => left,
            None => return Err(place.error(0, "the names of its branches are too long")),
        };
        let text = |member: &str| object.text(member).unwrap_or_default().to_owned();
        let count = |member: &str| object.int(member).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let children = match object.object("fBranches", self.reader) {
            Some(array) => self.branches(array, &path)?,
            None => Vec::new(),
        };
        let leaves = match object.object("fLeaves", self.reader) {
            Some(array) => self.fresh(array)?,
            None => Vec::new(),
        };
        let baskets = match object.object("fBaskets", self.reader) {
            Some(array) => self.fresh(array)?,
            None => Vec::new(),
        };
        let class_name = text("fClassName");
        let mut branch = Branch {
            name: name.to_owned(),
            title: text("fTitle"),
            is_clones: class_name == "TClonesArray",
            class_name,
            parent_name: text("fParentName"),
            clones_name: text("fClonesName"),
            streamer_type: object.int("fStreamerType").map_or(-2, |n| n as i32),
            branch_type: object.int("fType").map_or(-1, |n| n as i32),
            class_version: object.int("fClassVersion").map_or(0, |n| n as i32),
            is_object: &*object.class == "TBranchObject",
            unknown: (!matches!(&*object.class, "TBranch" | "TBranchElement" | "TBranchObject"))
                .then(|| format!("a branch of class {}", object.class)),
            leaves,
            children,
            entries: count("fEntries"),
            starts: Vec::new(),
            stored: Vec::new(),
            embedded: Vec::new(),
            broken: None,
            other_file: object.text("fFileName").filter(|name| !name.is_empty()).map(str::to_owned),
            total_bytes: count("fTotBytes"),
            zip_bytes: count("fZipBytes"),
            path,
        };
        if let Err(reason) = branch.baskets_of(object, &baskets, self.reader, self.file) {
            branch.broken = Some(reason);
        }
        Ok(branch)
    }
}

impl Branch {
    pub(crate) fn as_owner(&self) -> Owner {
        Owner { is_branch: true, class_name: self.class_name.clone(), clones_name: self.clones_name.clone() }
    }

    pub(crate) fn baskets(&self) -> usize {
        self.stored.len() + self.embedded.len()
    }

    /// Finds the baskets, and which entries each holds.
    fn baskets_of(
        &mut self,
        object: &Object,
        embedded: &[ObjectId],
        reader: &Reader<'_>,
        file: &RootFile,
    ) -> std::result::Result<(), String> {
        let numbers = |member: &str| object.ints(member, reader.record());
        let (seeks, bytes) = (numbers("fBasketSeek"), numbers("fBasketBytes"));
        let mut starts = numbers("fBasketEntry");
        let written = object.int("fWriteBasket").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let size = file.len();
        for (&seek, &bytes) in seeks.iter().zip(&bytes).take(written) {
            if seek == 0 {
                break;
            }
            match (u64::try_from(seek), usize::try_from(bytes)) {
                (Ok(seek), Ok(bytes)) if seek.checked_add(bytes as u64).is_some_and(|end| end <= size) => {
                    self.stored.push(Stored { seek, bytes });
                }
                _ => {
                    let n = self.stored.len();
                    return Err(format!(
                        "basket {n} lies at byte {seek} with {bytes} bytes, the file has {size}"
                    ));
                }
            }
        }
        // The last number says where the basket after the written ones starts; some files leave it out.
        let normal = self.stored.len();
        if normal > 0
            && starts.len() == normal
            && let Some(last) = self.stored.last()
        {
            let entries = last.entries(file, &self.path).map_err(|e| e.to_string())?;
            starts.push(starts[normal - 1].saturating_add(entries as i64));
        }
        starts.truncate(normal + 1);
        let mut previous = 0;
        for (i, &start) in starts.iter().enumerate() {
            let start = u64::try_from(start).ok().filter(|&start| start >= previous && (i > 0 || start == 0));
            let Some(start) = start else {
                return Err(format!("basket {i} starts at entry {}", starts[i]));
            };
            previous = start;
            self.starts.push(start);
        }
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        if self.starts.len() != normal + 1 {
            return Err(format!("it has {normal} baskets, and the first entries of {}", self.starts.len()));
        }
        if normal == 0 {
            self.starts = vec![0];
        }
        for basket in embedded.iter().filter_map(|&id| reader.get(id)?.basket.as_ref()) {
            let basket = basket.as_ref().map_err(String::clone)?;
            previous = self.starts.last().copied().unwrap_or(0);
            self.starts.push(previous.saturating_add(basket.entries as u64));
            self.embedded.push(basket.clone());
        }
        match self.starts.last() {
            Some(&end) if end == self.entries => Ok(()),
            end => Err(format!(
                "its baskets hold {} entries, it says {}",
                end.copied().unwrap_or(0),
                self.entries
            )),
        }
    }
}

/// Every leaf that a branch or a counter refers to.
pub(crate) fn leaves(branches: &[Branch], reader: &Reader<'_>, out: &mut Leaves) {
    for branch in branches {
        for &id in &branch.leaves {
            let Some(object) = reader.get(id) else { continue };
            let text = |member: &str| object.text(member).unwrap_or_default().to_owned();
            out.insert(
                id,
                Leaf {
                    class: object.class.to_string(),
                    name: text("fName"),
                    title: text("fTitle"),
                    unsigned: object.int("fIsUnsigned").unwrap_or(0) != 0,
                    len: object.int("fLen").and_then(|n| usize::try_from(n).ok()).unwrap_or(1),
                    code: object.int("fType").unwrap_or(-1) as i32,
                    count: object.reference("fLeafCount"),
                },
            );
        }
        leaves(&branch.children, reader, out);
    }
}
