//! `fiducial dataset`.

use std::path::Path;

use crate::failure::Failure;
use crate::tables::count;

pub(crate) fn verify(directory: &Path) -> Result<(), Failure> {
    let dataset = super::dataset(directory)?;
    let report = dataset.verify()?;
    for problem in &report.problems {
        crate::print(&format!("{problem}\n"))?;
    }
    if !report.problems.is_empty() {
        let found = report.problems.len();
        return Err(Failure::check(format!("verify {}: {found} problems", directory.display()))
            .hint("prepare or fetch the dataset again: it is not what its manifest says"));
    }
    let manifest = dataset.manifest();
    crate::print(&format!(
        "{}: {} files, {} rows, all as the manifest says\nversion {}\n",
        directory.display(),
        count(manifest.files.len() as u64),
        count(manifest.total_rows()),
        dataset.version()
    ))
}
