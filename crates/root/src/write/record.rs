//! The record of a tree: its branches, their leaves, and where their baskets are.

use super::columns::{Plan, Shape, leaf_type, vector_name};
use super::counters::Counters;
use super::out::{BITS, Out, Reference};
use super::tree::Baskets;
use crate::prim::Prim;

/// Objects that others refer to must announce their end; trees and branches carry these bits beside [`BITS`].
const MUST_CLEANUP: u32 = 1 << 3;
const DOES_NOT_CLEAN_BRANCH: u32 = 1 << 22;
const IO_FEATURES_CHECKSUM: u32 = 0x1AA1_2F10;
/// The version of `std::vector` as a class, and of `std::string`.
const VECTOR_VERSION: u16 = 6;
const STRING_VERSION: u16 = 2;
const STRING_CHECKSUM: u32 = 1_852_773_892;

/// What is known of a tree when all its rows are written.
pub(crate) struct TreeRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) entries: u64,
    /// The entries of each cluster.
    pub(crate) clusters: &'a [u64],
    pub(crate) plans: &'a [Plan],
    pub(crate) counters: &'a Counters,
    pub(crate) branches: &'a [Baskets],
    pub(crate) setting: u32,
}

/// Runs of clusters of one size: the last entry of each run, and the size. The last run is told by its size alone.
fn cluster_ranges(clusters: &[u64]) -> (Vec<(u64, u64)>, u64) {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut end = 0;
    for &size in clusters {
        end += size;
        match runs.last_mut() {
            Some(run) if run.1 == size => run.0 = end - 1,
            _ => runs.push((end - 1, size)),
        }
    }
    let last = runs.pop().map_or(0, |run| run.1);
    (runs, last)
}

/// The order of the branches: a counter stands before what it counts.
fn order(record: &TreeRecord<'_>) -> Vec<usize> {
    let mut out = Vec::new();
    for plan in 0..record.plans.len() {
        for branch in record.counters.of[plan].into_iter().chain([plan]) {
            if !out.contains(&branch) {
                out.push(branch);
            }
        }
    }
    out
}

/// Writes the object of a tree.
pub(crate) fn write_tree(record: &TreeRecord<'_>, out: &mut Out) {
    let (ranges, flush) = cluster_ranges(record.clusters);
    let total = |of: fn(&Baskets) -> u64| record.branches.iter().map(of).sum::<u64>();
    out.versioned(20, |out| {
        out.t_named(BITS | MUST_CLEANUP, record.name, record.title);
        attributes(out);
        out.u64(record.entries);
        out.u64(total(|b| b.raw_bytes));
        out.u64(total(|b| b.file_bytes));
        out.u64(0);
        out.u64(total(|b| b.file_bytes));
        tree_settings(out, ranges.len() as u32, flush);
        for numbers in [ranges.iter().map(|r| r.0).collect::<Vec<_>>(), ranges.iter().map(|r| r.1).collect()]
        {
            out.bool(!numbers.is_empty());
            numbers.iter().for_each(|&n| out.u64(n));
        }
        io_features(out);
        let order = order(record);
        let mut leaves = vec![None; record.branches.len()];
        out.obj_array(order.len(), |out| {
            for &branch in &order {
                leaves[branch] = Some(write_branch(record, branch, &leaves, out));
            }
        });
        out.obj_array(order.len(), |out| order.iter().for_each(|&branch| out.pointer(leaves[branch])));
        // No aliases, no index values, no index.
        for _ in 0..3 {
            out.u32(0);
        }
        // Neither index object, friends, user information nor references between branches.
        for _ in 0..4 {
            out.pointer(None);
        }
    });
}

/// How the tree would be drawn: the base classes TAttLine, TAttFill and TAttMarker with ROOT's own defaults.
fn attributes(out: &mut Out) {
    const BLUE: u16 = 602;
    const HOLLOW: u16 = 1001;
    out.versioned(2, |out| [BLUE, 1, 1].into_iter().for_each(|n| out.u16(n)));
    out.versioned(2, |out| [0, HOLLOW].into_iter().for_each(|n| out.u16(n)));
    out.versioned(2, |out| {
        out.u16(1);
        out.u16(1);
        out.f32(1.0);
    });
}

/// From the weight to the estimate, with ROOT's own defaults where rows do not say otherwise.
fn tree_settings(out: &mut Out, ranges: u32, flush: u64) {
    const ALL: i64 = 1_000_000_000_000;
    out.f64(1.0);
    out.u32(0); // no timer
    out.u32(25); // rows that Scan shows at a time
    out.u32(0);
    out.u32(1000); // entry offsets of a new basket
    out.u32(ranges);
    out.i64(ALL);
    out.i64(ALL);
    out.i64(0);
    out.i64(-300_000_000);
    out.i64(if flush == 0 { -30_000_000 } else { i64::try_from(flush).unwrap_or(i64::MAX) });
    out.i64(1_000_000);
}

/// A class without a version says its checksum instead.
fn io_features(out: &mut Out) {
    out.versioned(0, |out| {
        out.u32(IO_FEATURES_CHECKSUM);
        out.u8(0);
    });
}

fn empty_array(out: &mut Out) {
    out.obj_array(0, |_| {});
}

/// Writes a branch, and gives its leaf.
fn write_branch(
    record: &TreeRecord<'_>,
    branch: usize,
    leaves: &[Option<Reference>],
    out: &mut Out,
) -> Reference {
    let plan = record.plans.get(branch);
    let mut leaf = None;
    let element = match plan.map(|plan| &plan.shape) {
        Some(Shape::Vector(item)) => Some((vector_name(item), 0)),
        Some(Shape::Text) => Some(("string".to_owned(), -1)),
        _ => None,
    };
    let mut body = |out: &mut Out| write_t_branch(record, branch, leaves, &mut leaf, out);
    let reference = match element {
        None => out.object("TBranch", body),
        Some((class, code)) => out.object("TBranchElement", |out| {
            out.versioned(10, |out| {
                body(out);
                let (checksum, version) = match code {
                    0 => (checksum(&class), VECTOR_VERSION),
                    _ => (STRING_CHECKSUM, STRING_VERSION),
                };
                out.text(&class);
                out.text("");
                out.text("");
                out.u32(checksum);
                out.u16(version);
                out.i32(-1); // not a member of another class
                out.i32(code);
                out.i32(-1); // the whole object
                out.i32(0);
                out.pointer(None);
                out.pointer(None);
            });
        }),
    };
    leaf.unwrap_or(reference)
}

/// The checksum that ROOT gives to collections: of their name.
fn checksum(class: &str) -> u32 {
    class.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(3).wrapping_add(u32::from(byte)))
}

fn write_t_branch(
    record: &TreeRecord<'_>,
    branch: usize,
    leaves: &[Option<Reference>],
    leaf: &mut Option<Reference>,
    out: &mut Out,
) {
    let baskets = &record.branches[branch];
    let (name, title, variable) = match record.plans.get(branch) {
        Some(plan) => {
            (plan.name.as_str(), branch_title(record, branch), !matches!(plan.shape, Shape::Fixed { .. }))
        }
        None => {
            let name = record.counters.own[branch - record.plans.len()].name.as_str();
            (name, format!("{name}/I"), false)
        }
    };
    // One more than there are baskets: the last first entry is the number of entries.
    let slots = (baskets.seeks.len() + 1).max(10);
    out.versioned(13, |out| {
        out.t_named(BITS | DOES_NOT_CLEAN_BRANCH, name, &title);
        out.versioned(2, |out| [0, 1001].into_iter().for_each(|n| out.u16(n)));
        out.u32(record.setting);
        out.u32(u32::try_from(baskets.largest).unwrap_or(u32::MAX >> 1).max(32_000));
        out.u32(if variable { 1000 } else { 0 });
        out.u32(baskets.seeks.len() as u32);
        out.u64(record.entries);
        io_features(out);
        out.u32(0);
        out.u32(slots as u32);
        out.u32(0);
        out.u64(record.entries);
        out.u64(0);
        out.u64(baskets.raw_bytes);
        out.u64(baskets.file_bytes);
        empty_array(out);
        out.obj_array(1, |out| *leaf = Some(write_leaf(record, branch, leaves, out)));
        empty_array(out);
        let rest = |written: usize| std::iter::repeat_n(0, slots - written);
        out.u8(1);
        baskets.bytes.iter().copied().chain(rest(baskets.bytes.len())).for_each(|n| out.i32(n));
        out.u8(1);
        let starts = baskets.starts.iter().copied().chain([record.entries]).map(|n| n as i64);
        starts.chain(rest(baskets.starts.len() + 1).map(i64::from)).for_each(|n| out.i64(n));
        out.u8(1);
        let seeks = baskets.seeks.iter().map(|&n| n as i64);
        seeks.chain(rest(baskets.seeks.len()).map(i64::from)).for_each(|n| out.i64(n));
        out.text("");
    });
}

/// "[nX][3]": what follows the name in a leaf's title.
fn dimensions(record: &TreeRecord<'_>, branch: usize) -> String {
    let Some(plan) = record.plans.get(branch) else { return String::new() };
    let (Shape::Fixed { dims, .. } | Shape::Jagged { dims, .. }) = &plan.shape else { return String::new() };
    let counter = record.counters.of[branch].map(|counter| match record.plans.get(counter) {
        Some(plan) => plan.name.clone(),
        None => record.counters.own[counter - record.plans.len()].name.clone(),
    });
    let counter = counter.map(|name| format!("[{name}]")).unwrap_or_default();
    counter + &dims.iter().map(|n| format!("[{n}]")).collect::<String>()
}

/// The column's own title; else what ROOT would write, the leaf list.
fn branch_title(record: &TreeRecord<'_>, branch: usize) -> String {
    let Some(plan) = record.plans.get(branch) else { return String::new() };
    match &plan.shape {
        _ if !plan.title.is_empty() => plan.title.clone(),
        Shape::Fixed { prim, .. } | Shape::Jagged { prim, .. } => {
            format!("{}{}/{}", plan.name, dimensions(record, branch), leaf_type(*prim).0)
        }
        _ => plan.name.clone(),
    }
}

fn write_leaf(
    record: &TreeRecord<'_>,
    branch: usize,
    leaves: &[Option<Reference>],
    out: &mut Out,
) -> Reference {
    let largest = record.counters.largest[branch];
    let is_counter = record.counters.of.contains(&Some(branch));
    let (name, prim, len) = match record.plans.get(branch) {
        None => (record.counters.own[branch - record.plans.len()].name.as_str(), Some(Prim::I32), 1),
        Some(plan) => match &plan.shape {
            Shape::Fixed { prim, dims } | Shape::Jagged { prim, dims } => {
                (plan.name.as_str(), Some(*prim), dims.iter().product::<usize>())
            }
            _ => (plan.name.as_str(), None, 1),
        },
    };
    let title = format!("{name}{}", dimensions(record, branch));
    let counter = record.counters.of.get(branch).copied().flatten().and_then(|counter| leaves[counter]);
    let base = |out: &mut Out| {
        out.versioned(2, |out| {
            out.t_named(BITS, name, &title);
            out.u32(len as u32);
            out.u32(prim.map_or(0, Prim::width) as u32);
            out.u32(0);
            out.bool(is_counter);
            out.bool(matches!(prim, Some(Prim::U8 | Prim::U16 | Prim::U32 | Prim::U64)));
            out.pointer(counter);
        });
    };
    let Some(prim) = prim else {
        return out.object("TLeafElement", |out| {
            out.versioned(1, |out| {
                base(out);
                out.i32(-1);
                out.i32(-1);
            });
        });
    };
    let class = format!("TLeaf{}", leaf_type(prim).0.to_ascii_uppercase());
    out.object(&class, |out| {
        out.versioned(1, |out| {
            base(out);
            match prim.width() {
                1 => out.bytes(&[0, 0]),
                2 => out.bytes(&[0; 4]),
                4 if matches!(prim, Prim::I32 | Prim::U32) => {
                    out.u32(0);
                    out.u32(largest);
                }
                4 => out.bytes(&[0; 8]),
                _ => out.bytes(&[0; 16]),
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_root() {
        for (class, expected) in [
            ("vector<float>", 89_790_107),
            ("vector<string>", 269_382_332),
            ("vector<vector<float> >", 2_170_935_584),
            ("vector<vector<vector<int> > >", 1_960_736_872),
        ] {
            assert_eq!(checksum(class), expected, "{class}");
        }
    }

    #[test]
    fn runs_of_clusters() {
        type Row<'a> = (&'a [u64], &'a [(u64, u64)], u64);
        let rows: &[Row<'_>] = &[
            (&[], &[], 0),
            (&[7], &[], 7),
            (&[5, 5, 5], &[], 5),
            (&[5, 5, 3], &[(9, 5)], 3),
            (&[5, 6, 6, 2], &[(4, 5), (16, 6)], 2),
        ];
        for (clusters, ranges, last) in rows {
            assert_eq!(cluster_ranges(clusters), (ranges.to_vec(), *last), "{clusters:?}");
        }
    }
}
