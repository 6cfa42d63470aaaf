//! weaver's data configuration as a view.
//!
//! Groups that train with weaver-core (<https://github.com/hqucms/weaver-core>, 0.5) describe their data in YAML. [`import`]
//! turns such a text into a view in TOML, which anybody can read, edit and keep, and says what weaver would do otherwise.
//! `docs/guides/weaver.md` has the table of differences.
//!
//! ```
//! use fiducial_data::view::{View, weaver};
//!
//! let imported = weaver::import("
//! treename: tree
//! selection: (jet_pt > 500) & (jet_pt < 1000)
//! new_variables:
//!    part_mask: ak.ones_like(part_px)
//! inputs:
//!    pf_vectors:
//!       length: 128
//!       vars: [part_px, [part_energy, 10.0, 0.5, -2, 2]]
//!    pf_mask:
//!       length: 128
//!       vars: [part_mask]
//! labels:
//!    type: simple
//!    value: [label_QCD, label_Tbqq]
//! ")?;
//! assert!(imported.notes.is_empty());
//! let view = View::parse(&imported.toml)?;
//! assert_eq!(view.input("pf_vectors").map(|group| group.variables[1].clip), Some(Some((-2.0, 2.0))));
//! assert_eq!(view.classes()[1].name, "label_Tbqq");
//! # Ok::<(), fiducial_data::view::ViewError>(())
//! ```

mod raw;
mod sections;

use super::raw::{Ordered, RawView};
use super::{FORMAT, View, ViewError};
use raw::RawWeaver;

/// A configuration that was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The view.
    pub toml: String,
    /// What is otherwise than in weaver, a sentence each.
    pub notes: Vec<String>,
}

/// Turns weaver's YAML into a view.
///
/// # Errors
/// When the text is no YAML, has a key that weaver does not know either, has an expression that does not parse, or wants what
/// would do harm in silence, with the reason.
pub fn import(text: &str) -> Result<Imported, ViewError> {
    let raw: RawWeaver =
        serde_saphyr::from_str(text).map_err(|error| ViewError::Yaml { message: error.to_string() })?;
    let mut notes = Vec::new();
    let mut view = RawView { format: FORMAT.to_owned(), tree: raw.treename.clone(), ..RawView::default() };
    view.selection = sections::selection(&raw, &mut notes);
    view.observers = sections::observers(&raw)?;
    view.file_columns = sections::file_columns(&raw)?;
    view.new_variables = sections::new_variables(&raw);
    view.inputs = sections::inputs(&raw, &mut notes)?;
    (view.labels, view.targets) = sections::labels(&raw)?;
    view.sampling = sections::sampling(&raw, &mut notes)?;
    view.bucketing = sections::bucketing(&raw)?;
    if let Some(magic) = &raw.branch_magic {
        rename(&mut view, magic)?;
    }
    let toml = to_toml(&view)?;
    View::parse(&toml)?;
    Ok(Imported { toml, notes })
}

/// `branch_magic`: the data call columns otherwise than the configuration. Each gets a new variable of the name that is used.
fn rename(view: &mut RawView, magic: &Ordered<String>) -> Result<(), ViewError> {
    let parsed = View::parse(&to_toml(view)?)?;
    let mut renamed: Vec<(String, String)> = Vec::new();
    for column in parsed.stored_columns() {
        if view.file_columns.0.iter().any(|(name, _)| *name == column) {
            continue;
        }
        let in_the_data =
            magic.0.iter().fold(column.clone(), |name, (from, to)| name.replace(from.as_str(), to));
        if in_the_data != column {
            renamed.push((column, format!("`{in_the_data}`")));
        }
    }
    renamed.append(&mut view.new_variables.0);
    view.new_variables.0 = renamed;
    Ok(())
}

/// weaver's own functions that have one of ours, with what their arguments are called here.
const HELPERS: [(&str, &str, &[&str]); 4] = [
    ("_clip", "clip", &[]),
    ("_p4_from_pxpypze", "p4", &["px", "py", "pz", "E"]),
    ("_p4_from_ptetaphie", "p4", &["pt", "eta", "phi", "E"]),
    ("_p4_from_ptetaphim", "p4", &["pt", "eta", "phi", "mass"]),
];

/// An expression of weaver's in our words: its own functions have an underscore before their names.
fn expression(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_name) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        let helper = HELPERS.iter().find(|(theirs, ..)| *theirs == name);
        match helper.zip(after.trim_start().strip_prefix('(')) {
            Some(((_, ours, names), arguments)) => {
                let (arguments, after) = arguments_of(arguments);
                let named = arguments.iter().enumerate().map(|(i, argument)| match names.get(i) {
                    Some(name) if !is_named(argument) => format!("{name}={}", expression(argument).trim()),
                    Some(_) => expression(argument).trim().to_owned(),
                    _ => expression(argument),
                });
                out.push_str(&format!(
                    "{ours}({}",
                    named.collect::<Vec<_>>().join(if names.is_empty() { "," } else { ", " })
                ));
                rest = after;
            }
            None => {
                out.push_str(name);
                rest = after;
            }
        }
    }
    out + rest
}

/// Whether an argument has its name before it: `px=a`, not `a == b`.
fn is_named(argument: &str) -> bool {
    let name = argument.trim_start();
    let after = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').trim_start();
    after.len() < name.len() && after.starts_with('=') && !after.starts_with("==")
}

/// The arguments up to the bracket that closes them, and what stands from it on.
fn arguments_of(text: &str) -> (Vec<&str>, &str) {
    let (mut depth, mut start, mut arguments) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            ',' if depth == 0 => {
                arguments.push(&text[start..at]);
                start = at + 1;
            }
            ')' | ']' if depth == 0 => {
                arguments.push(&text[start..at]);
                return (arguments, &text[at..]);
            }
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    arguments.push(&text[start..]);
    (arguments, "")
}

fn to_toml(view: &RawView) -> Result<String, ViewError> {
    toml::to_string(view).map_err(|error| ViewError::Yaml { message: error.to_string() })
}
