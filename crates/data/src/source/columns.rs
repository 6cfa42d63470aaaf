//! Columns by name or pattern.

use std::collections::HashSet;
use std::path::Path;

use super::{Error, Source};
use crate::convert::glob::fits;
use crate::expr::near_names;

/// The columns of a source that names or patterns ask for, in the order of the patterns, then of the source, each once. In a
/// pattern `*` stands for any characters and `?` for one. A pattern skips columns that cannot be read; a name does not. A pattern
/// that fits a record, as `*` does, does not mean its members.
///
/// # Errors
/// When nothing fits a name or pattern, and when a column is named that cannot be read; the error has the reason.
pub fn matching_columns<P: AsRef<str>>(source: &dyn Source, patterns: &[P]) -> Result<Vec<String>, Error> {
    let schema = source.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    for pattern in patterns {
        if !names.contains(&pattern.as_ref())
            && let Some(reason) = source.unreadable(pattern.as_ref())
        {
            return Err(Error::column(source.path(), pattern.as_ref(), reason));
        }
    }
    let columns = matching_names(source.path(), &names, patterns)?;
    let columns = columns.into_iter().filter(|column| is_meant(source, column, patterns));
    Ok(columns.map(str::to_owned).collect())
}

/// Whether patterns that fit a column mean it: a member of a record, or a shorter name, is not meant by a pattern that fits what it
/// stands for too.
pub(crate) fn is_meant<P: AsRef<str>>(source: &dyn Source, column: &str, patterns: &[P]) -> bool {
    let Some(original) = source.original(column) else { return true };
    let means_it = |pattern: &P| fits(pattern.as_ref(), column) && !fits(pattern.as_ref(), original);
    patterns.iter().any(means_it)
}

/// As [`matching_columns`], of names; `path` is where they come from, for errors.
///
/// # Errors
/// When nothing fits a name or pattern.
///
/// ```
/// use fiducial_data::source::matching_names;
///
/// let names = ["jet_pt", "part_px", "part_py"];
/// assert_eq!(matching_names("x.root".as_ref(), &names, &["part_*", "jet_pt"])?, ["part_px", "part_py", "jet_pt"]);
/// # Ok::<(), fiducial_data::source::Error>(())
/// ```
pub fn matching_names<'a, P: AsRef<str>>(
    path: &Path,
    names: &[&'a str],
    patterns: &[P],
) -> Result<Vec<&'a str>, Error> {
    let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
    for pattern in patterns {
        let pattern = pattern.as_ref();
        let fitting = names.iter().filter(|name| **name == pattern || fits(pattern, name));
        let mut is_found = false;
        for name in fitting {
            is_found = true;
            if seen.insert(*name) {
                chosen.push(*name);
            }
        }
        // "Everything" of a file without columns is nothing.
        if !is_found && pattern != "*" {
            let near = near_names(pattern, names.iter().copied());
            let near = near.map(|near| format!("; {near}")).unwrap_or_default();
            return Err(Error::column(path, pattern, format!("no such column{near}")));
        }
    }
    Ok(chosen)
}
