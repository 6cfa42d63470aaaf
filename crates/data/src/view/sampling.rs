//! What a view says of files' names, of sampling and of bucketing.

use std::path::Path;

use regex_lite::Regex;

use super::raw::{Ordered, RawBucketing, RawSampling};
use super::validate::{Result, parse, wrong};
use crate::expr::{Definitions, Expr};

/// A column that a file does not have: its value follows from the file's path.
#[derive(Debug, Clone)]
pub struct FileColumn {
    /// Its name.
    pub name: String,
    /// Regular expressions, and the value where one is found in the path. The first that is found counts; 0 if none is.
    patterns: Vec<(Regex, f64)>,
}

impl FileColumn {
    /// The value for a file.
    pub fn value(&self, path: &Path) -> f64 {
        let path = path.to_string_lossy();
        self.patterns.iter().find(|(pattern, _)| pattern.is_match(&path)).map_or(0.0, |(_, value)| *value)
    }

    /// Whether all its values are whole numbers.
    pub fn is_whole(&self) -> bool {
        self.patterns.iter().all(|(_, value)| value.fract() == 0.0 && value.abs() < 9e15)
    }
}

/// How often each row is drawn in an epoch of training. These weights do not enter the loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Sampling {
    /// By a weight for each row: the probability that it is kept, where it is not above 1.
    Weight(Expr),
    /// By weights that make the distribution of two variables alike in all classes, measured on the training split.
    Reweight(Box<Reweight>),
}

/// See [`Sampling::Reweight`]. The method is weaver's.
#[derive(Debug, Clone, PartialEq)]
pub struct Reweight {
    /// To which shape.
    pub method: ReweightMethod,
    /// The two variables with the edges of their bins.
    pub variables: [(Expr, Vec<f64>); 2],
    /// The conditions of the classes, each with the share of rows that it is to have.
    pub classes: Vec<(Expr, f64)>,
    /// A percentile: bins with fewer rows than that of all bins are kept whole.
    pub threshold: f64,
    /// Whether rows outside of the bins are dropped, and not counted in the outermost ones.
    pub discard_outside: bool,
    /// A weight that rows have before.
    pub base: Option<Expr>,
}

/// What the distributions of all classes become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReweightMethod {
    /// Flat.
    Flat,
    /// That of the first class.
    Reference,
}

/// Batches of rows that are alike, so that little padding is needed.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucketing {
    /// One number per row, such as the number of constituents.
    pub variable: Expr,
    /// The buckets.
    pub buckets: Buckets,
}

/// How the buckets are made.
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// That many, with equally many rows in each.
    Count(usize),
    /// Between edges, of which the first and the last count as infinite.
    Edges(Vec<f64>),
}

impl Sampling {
    /// All expressions that it evaluates.
    pub fn expressions(&self) -> Vec<&Expr> {
        match self {
            Self::Weight(weight) => vec![weight],
            Self::Reweight(reweight) => {
                let variables = reweight.variables.iter().map(|(variable, _)| variable);
                let classes = reweight.classes.iter().map(|(condition, _)| condition);
                variables.chain(classes).chain(&reweight.base).collect()
            }
        }
    }
}

pub(super) fn file_columns(
    raw: &Ordered<Ordered<f64>>,
    new_variables: &Definitions,
) -> Result<Vec<FileColumn>> {
    let mut columns: Vec<FileColumn> = Vec::new();
    for (name, patterns) in &raw.0 {
        let key = format!("file_columns.{name}");
        if name.is_empty() || new_variables.get(name).is_some() || columns.iter().any(|c| c.name == *name) {
            return wrong(key, "it needs a name that nothing else has");
        }
        let mut known = Vec::new();
        for (pattern, value) in &patterns.0 {
            let regex = match Regex::new(pattern) {
                Ok(regex) => regex,
                Err(error) => return wrong(key, format!("`{pattern}` is no regular expression: {error}")),
            };
            if !value.is_finite() {
                return wrong(key, format!("the value of `{pattern}` is {value}"));
            }
            known.push((regex, *value));
        }
        columns.push(FileColumn { name: name.clone(), patterns: known });
    }
    Ok(columns)
}

pub(super) fn sampling(raw: &RawSampling) -> Result<Sampling> {
    let reweights = raw.method.is_some() || !raw.variables.0.is_empty() || !raw.classes.is_empty();
    if let Some(weight) = &raw.weight {
        if reweights {
            return wrong("sampling", "give `weight`, or `method` with `variables` and `classes`");
        }
        return Ok(Sampling::Weight(parse("sampling.weight", weight)?));
    }
    let method = match raw.method.as_deref() {
        Some("flat") => ReweightMethod::Flat,
        Some("ref") => ReweightMethod::Reference,
        other => {
            let found = other.unwrap_or_default();
            return wrong("sampling.method", format!("it is \"{found}\", and may be \"flat\" or \"ref\""));
        }
    };
    let mut variables = Vec::new();
    for (name, edges) in &raw.variables.0 {
        let key = format!("sampling.variables.{name}");
        check_edges(&key, edges)?;
        variables.push((parse(key, name)?, edges.clone()));
    }
    let Ok(variables) = <[_; 2]>::try_from(variables) else {
        return wrong("sampling.variables", "there must be two");
    };
    if raw.classes.is_empty() {
        return wrong("sampling.classes", "there are none");
    }
    let shares = match raw.class_weights.len() {
        0 => vec![1.0; raw.classes.len()],
        n if n == raw.classes.len() => raw.class_weights.clone(),
        n => {
            return wrong("sampling.class_weights", format!("{n} weights for {} classes", raw.classes.len()));
        }
    };
    if let Some(share) = shares.iter().find(|share| !(share.is_finite() && **share > 0.0)) {
        return wrong("sampling.class_weights", format!("{share} is not above 0"));
    }
    let class = |(text, share): (&String, f64)| {
        Ok((parse(format!("sampling.classes.{text}"), &format!("({text}) == 1"))?, share))
    };
    let classes = raw.classes.iter().zip(shares).map(class).collect::<Result<_>>()?;
    let threshold = raw.threshold.unwrap_or(10.0);
    if !(0.0..=100.0).contains(&threshold) {
        return wrong("sampling.threshold", "a percentile lies between 0 and 100");
    }
    Ok(Sampling::Reweight(Box::new(Reweight {
        method,
        variables,
        classes,
        threshold,
        discard_outside: raw.discard_outside.unwrap_or(true),
        base: raw.base.as_ref().map(|text| parse("sampling.base", text)).transpose()?,
    })))
}

pub(super) fn bucketing(raw: &RawBucketing) -> Result<Bucketing> {
    let buckets = match (raw.buckets, raw.edges.is_empty()) {
        (Some(count), true) if (1..=1000).contains(&count) => Buckets::Count(count),
        (Some(count), true) => {
            return wrong("bucketing.buckets", format!("{count} is not between 1 and 1000"));
        }
        (None, false) => {
            check_edges("bucketing.edges", &raw.edges)?;
            Buckets::Edges(raw.edges.clone())
        }
        _ => return wrong("bucketing", "give one of `buckets` and `edges`"),
    };
    Ok(Bucketing { variable: parse("bucketing.variable", &raw.variable)?, buckets })
}

fn check_edges(key: &str, edges: &[f64]) -> Result<()> {
    if edges.len() < 2 || !edges.is_sorted_by(|a, b| a < b) {
        return wrong(key, "edges must rise, and be two at least");
    }
    Ok(())
}
