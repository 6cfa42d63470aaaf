//! `fiducial view`, and how views are read by all commands.

use std::path::Path;

use fiducial_data::view::View;

use crate::failure::Failure;

/// Reads a view. Where it is weaver's, what we do otherwise is said on stderr.
pub(crate) fn read(path: &Path) -> Result<View, Failure> {
    let (view, notes) = View::read_with_notes(path).map_err(Failure::input)?;
    for note in notes {
        eprintln!("warning: {}: {note}", path.display());
    }
    Ok(view)
}

pub(crate) fn show(path: &Path) -> Result<(), Failure> {
    crate::print(&read(path)?.to_toml())
}
