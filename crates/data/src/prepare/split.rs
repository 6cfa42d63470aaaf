//! Which split a row goes to.

use std::path::Path;

use arrow_array::RecordBatch;

use super::scan::Task;
use crate::convert::fits;
use crate::expr::{Data, Environment, Expr};
use crate::source::{Error, Source};
use crate::view::{SPLITS, Splits, View};

/// The rule that assigns rows to splits. The splits are numbered in the order of the view.
pub(super) enum Assignment<'a> {
    /// By a hash of the seed and the `row_id`: upper bounds of the splits in [0, 1].
    Hash { seed: u64, bounds: Vec<f64> },
    /// By the value of a column.
    Column { name: &'a str, values: Vec<i64> },
    /// By the source: the split of each.
    Source(Vec<usize>),
}

impl<'a> Assignment<'a> {
    /// The names of the splits, and the rule. Without a rule in the view all rows go to the first split, "train".
    pub(super) fn new(view: &'a View, sources: &[Box<dyn Source>]) -> Result<(Vec<String>, Self), Error> {
        Ok(match view.splits() {
            None => (vec![SPLITS[0].to_owned()], Self::Source(vec![0; sources.len()])),
            Some(Splits::Fractions { fractions, seed }) => {
                let mut bounds: Vec<f64> = fractions
                    .iter()
                    .scan(0.0, |sum, (_, fraction)| {
                        *sum += fraction;
                        Some(*sum)
                    })
                    .collect();
                // They sum to 1, but for rounding.
                if let Some(last) = bounds.last_mut() {
                    *last = 1.0;
                }
                (names(fractions), Self::Hash { seed: *seed, bounds })
            }
            Some(Splits::Column { column, values }) => {
                let numbers = values.iter().map(|(_, value)| *value).collect();
                (names(values), Self::Column { name: column, values: numbers })
            }
            Some(Splits::Files(patterns)) => {
                let splits = sources.iter().map(|source| split_of_file(source.path(), patterns));
                (names(patterns), Self::Source(splits.collect::<Result<_, _>>()?))
            }
        })
    }

    /// The column that must be read to assign rows.
    pub(super) fn column(&self) -> Option<&'a str> {
        match self {
            Self::Column { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The rows of each split, out of the rows that are alive.
    pub(super) fn assign(
        &self,
        path: &Path,
        task: &Task,
        batch: &RecordBatch,
        alive: &[u32],
        splits: usize,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let mut members = vec![Vec::new(); splits];
        match self {
            Self::Source(sources) => {
                if let Some(rows) = sources.get(task.source).and_then(|split| members.get_mut(*split)) {
                    *rows = alive.to_vec();
                }
            }
            Self::Hash { seed, bounds } => {
                for &row in alive {
                    let place = fraction(*seed, task.first_row_id + task.rows.start + u64::from(row));
                    if let Some(split) = bounds.iter().position(|bound| place < *bound) {
                        members[split].push(row);
                    }
                }
            }
            Self::Column { name, values } => {
                let what = format!("the splits by the column `{name}`");
                let found = Expr::column(name)
                    .evaluate(&Environment::new(batch))
                    .map_err(Error::expression(&what, path))?;
                let numbers = found.event_numbers(batch.num_rows()).ok_or_else(|| {
                    Error::column(path, name, "splits need one number per row, this is a list")
                })?;
                for &row in alive {
                    let place = row as usize;
                    let value = numbers.get(place).copied().unwrap_or(f64::NAN);
                    let is_value = |candidate: &i64| match found.data() {
                        // Integers are compared as such, since large ones are no floats.
                        Data::Integers(integers) => integers.get(place) == Some(candidate),
                        _ => value == *candidate as f64,
                    };
                    let Some(split) = values.iter().position(is_value) else {
                        return Err(Error::Value {
                            action: format!("assign a row to a split by the column `{name}`"),
                            reason: format!("no split has the value {value}"),
                            row: task.rows.start + u64::from(row),
                            path: path.to_owned(),
                        });
                    };
                    members[split].push(row);
                }
            }
        }
        Ok(members)
    }
}

fn names<T>(splits: &[(String, T)]) -> Vec<String> {
    splits.iter().map(|(name, _)| name.clone()).collect()
}

/// The split whose pattern, and only whose, matches a file's name.
fn split_of_file(path: &Path, patterns: &[(String, String)]) -> Result<usize, Error> {
    let name = path.to_string_lossy();
    let matching: Vec<usize> =
        (0..patterns.len()).filter(|index| matches(&patterns[*index].1, &name)).collect();
    match matching.as_slice() {
        [only] => Ok(*only),
        [] => Err(Error::settings("assign files to splits", format!("no pattern matches `{name}`"))),
        [first, second, ..] => {
            let (first, second) = (&patterns[*first].1, &patterns[*second].1);
            let reason = format!("both `{first}` and `{second}` match `{name}`");
            Err(Error::settings("assign files to splits", reason))
        }
    }
}

/// Whether a path ends in what one of the patterns means that are parted by `|`: a pattern of one part in its file's name, one of
/// several, `train/*.root`, in as many parts.
fn matches(patterns: &str, path: &str) -> bool {
    patterns.split('|').any(|pattern| {
        let (patterns, parts) = (pattern.rsplit('/'), path.rsplit('/'));
        let number = patterns.clone().count();
        parts.clone().count() >= number && patterns.zip(parts).all(|(pattern, part)| fits(pattern, part))
    })
}

/// A number in [0, 1) that looks random, from a seed and a row: the finaliser of splitmix64 applied twice (Steele, Lea and
/// Flood, OOPSLA 2014). It is part of the format: another function would move rows between splits.
fn fraction(seed: u64, row_id: u64) -> f64 {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (mix(mix(seed) ^ row_id) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        };
        check("train.root", "train.root", true);
        check("train.root", "train.root2", false);
        check("*", "", true);
        check("*train*", "top_train_1.root", true);
        check("*train*", "top_test_1.root", false);
        check("top_*.root", "top_1.root", true);
        check("top_*.root", "top_1.root.part", false);
        check("a*b*c", "a-b-b-c", true);
        check("a*a", "a", false);
        check("*_1.h5|*_2.h5", "a_2.h5", true);
        check("*_1.h5|*_2.h5", "a_3.h5", false);
        check("*", "data/train/a.root", true);
        check("*train*", "train/a.root", false);
        check("train*/*.root", "data/train_100M/a.root", true);
        check("train*/*.root", "data/val/train.root", false);
        check("train/*.root", "a.root", false);
    }

    #[test]
    fn fractions_are_stable_and_even() {
        // Fixed for ever: these say in which split the rows of published datasets are.
        let found = [(20, 0), (20, 1), (0, 0)].map(|(seed, row)| (fraction(seed, row) * 1e6).round());
        assert_eq!(found, [779_833.0, 616_942.0, 652_448.0]);
        let rows = 100_000;
        let below = (0..rows).filter(|row| fraction(7, *row) < 0.6).count();
        assert!((below as f64 / rows as f64 - 0.6).abs() < 0.01, "{below}");
    }
}
