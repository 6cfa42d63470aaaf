//! Public datasets that the field measures itself on: where they are, what they hold, and the view that makes each
//! AI-ready.
//!
//! What is not known of a dataset stands nowhere: a file without a checksum can be fetched by hand, but not by
//! [`fetch`], and a licence that nobody looked up is none.
//!
//! ```
//! let entry = fiducial_data::catalogue::find("top-tagging").expect("it is in the catalogue");
//! assert_eq!(entry.license.as_deref(), Some("CC-BY-4.0"));
//! assert_eq!(entry.view()?.expect("it has a view").tree(), Some("table"));
//! # Ok::<(), fiducial_data::view::ViewError>(())
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fetch::{self, Download, FetchError, FetchOptions, Progress};
use crate::view::{View, ViewError};

/// The format of an entry.
const FORMAT: &str = "fiducial-catalogue/1";
/// The largest file that is taken where an entry says nothing else.
const LARGEST: u64 = 20_000_000_000;

/// Files of `crates/data/catalogue`, by name.
const ENTRIES: [(&str, &str); 18] = [
    ("top-tagging", include_str!("../catalogue/top-tagging.toml")),
    ("top-landscape", include_str!("../catalogue/top-landscape.toml")),
    ("jetclass", include_str!("../catalogue/jetclass.toml")),
    ("quark-gluon", include_str!("../catalogue/quark-gluon.toml")),
    ("quark-gluon-columns", include_str!("../catalogue/quark-gluon-columns.toml")),
    ("jetnet-30", include_str!("../catalogue/jetnet-30.toml")),
    ("jetnet-150", include_str!("../catalogue/jetnet-150.toml")),
    ("calochallenge-1-photons", include_str!("../catalogue/calochallenge-1-photons.toml")),
    ("calochallenge-1-pions", include_str!("../catalogue/calochallenge-1-pions.toml")),
    ("calochallenge-2", include_str!("../catalogue/calochallenge-2.toml")),
    ("calochallenge-3", include_str!("../catalogue/calochallenge-3.toml")),
    ("lhc-olympics", include_str!("../catalogue/lhc-olympics.toml")),
    ("adc2021", include_str!("../catalogue/adc2021.toml")),
    ("omnifold-zjets", include_str!("../catalogue/omnifold-zjets.toml")),
    ("higgsml-uncertainty", include_str!("../catalogue/higgsml-uncertainty.toml")),
    ("hls4ml-jets", include_str!("../catalogue/hls4ml-jets.toml")),
    ("higgs", include_str!("../catalogue/higgs.toml")),
    ("colliderml", include_str!("../catalogue/colliderml.toml")),
];

/// The views that entries name.
const VIEWS: [(&str, &str); 11] = [
    ("top-tagging.view.toml", include_str!("../catalogue/top-tagging.view.toml")),
    ("jetclass.view.toml", include_str!("../catalogue/jetclass.view.toml")),
    ("quark-gluon.view.toml", include_str!("../catalogue/quark-gluon.view.toml")),
    ("jetnet.view.toml", include_str!("../catalogue/jetnet.view.toml")),
    ("calochallenge-1-photons.view.toml", include_str!("../catalogue/calochallenge-1-photons.view.toml")),
    ("calochallenge-1-pions.view.toml", include_str!("../catalogue/calochallenge-1-pions.view.toml")),
    ("calochallenge-2.view.toml", include_str!("../catalogue/calochallenge-2.view.toml")),
    ("calochallenge-3.view.toml", include_str!("../catalogue/calochallenge-3.view.toml")),
    ("lhc-olympics.view.toml", include_str!("../catalogue/lhc-olympics.view.toml")),
    ("adc2021.view.toml", include_str!("../catalogue/adc2021.view.toml")),
    ("higgs.view.toml", include_str!("../catalogue/higgs.view.toml")),
];

/// A public dataset.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    format: String,
    /// Its name here.
    pub name: String,
    /// Its title, in a few words.
    pub title: String,
    /// What it holds and how it was made.
    pub description: String,
    /// The form of its files.
    pub formats: String,
    /// The SPDX identifier of its licence, where that was looked up.
    #[serde(default)]
    pub license: Option<String>,
    /// What to cite: DOIs and preprints.
    pub citation: String,
    /// The page where it is published.
    pub page: String,
    /// The benchmark that uses it.
    #[serde(default)]
    pub task: Option<String>,
    #[serde(default, rename = "view")]
    view_name: Option<String>,
    /// Its files.
    #[serde(default)]
    pub files: Vec<File>,
}

/// A file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// `md5:` or `sha256:` and the digits, where they are known.
    #[serde(default)]
    pub checksum: Option<String>,
    /// Its size, where that is known.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// It has no more bytes than this.
    #[serde(default)]
    pub max_bytes: Option<u64>,
}

impl Entry {
    /// The text of the view that makes it AI-ready, where there is one.
    pub fn view_text(&self) -> Option<&'static str> {
        let name = self.view_name.as_deref()?;
        VIEWS.iter().find(|(view, _)| *view == name).map(|(_, text)| *text)
    }

    /// The view that makes it AI-ready, where there is one.
    ///
    /// # Errors
    /// None for the entries of this catalogue.
    pub fn view(&self) -> Result<Option<View>, ViewError> {
        self.view_text().map(View::parse).transpose()
    }

    /// The sum of its files' sizes, where all are known.
    pub fn bytes(&self) -> Option<u64> {
        let known = self.files.iter().map(|file| file.bytes).sum::<Option<u64>>();
        known.filter(|_| !self.files.is_empty())
    }
}

/// Every entry, in the order of this page.
pub fn entries() -> Vec<Entry> {
    // Each is parsed by a test: none is left out here.
    ENTRIES.iter().filter_map(|(_, text)| toml::from_str(text).ok()).filter(is_known).collect()
}

fn is_known(entry: &Entry) -> bool {
    entry.format == FORMAT
}

/// The entry of a name.
pub fn find(name: &str) -> Option<Entry> {
    entries().into_iter().find(|entry| entry.name == name)
}

/// Fetches files of a dataset into `directory`, those whose names are in `names` or all; what is there already in the
/// right form is not fetched again. The paths, in the order of the entry.
///
/// # Errors
/// When a file has no known checksum, a name is not one of its files, or a download fails.
pub fn fetch(
    entry: &Entry,
    names: &[String],
    directory: &Path,
    options: &FetchOptions,
    progress: &mut dyn FnMut(&File, Progress),
) -> Result<Vec<PathBuf>, FetchError> {
    let refuse = |name: &str, reason: String| FetchError::setting(name, reason);
    for name in names {
        if !entry.files.iter().any(|file| file.name == *name) {
            let has: Vec<&str> = entry.files.iter().map(|file| file.name.as_str()).collect();
            return Err(refuse(name, format!("the dataset `{}` has {}", entry.name, has.join(", "))));
        }
    }
    let by_hand = |what: &str| format!("{what}: fetch it by hand from {}", entry.page);
    if entry.files.is_empty() {
        return Err(refuse(&entry.name, by_hand("its files are not listed here")));
    }
    let wanted = entry.files.iter().filter(|file| names.is_empty() || names.contains(&file.name));
    // All are looked at before the first is fetched.
    let downloads = wanted.map(|file| {
        let checksum = file.checksum.as_deref();
        let checksum = checksum.ok_or_else(|| refuse(&file.name, by_hand("its checksum is not known")))?;
        let max_bytes = file.bytes.or(file.max_bytes).unwrap_or(LARGEST);
        let url = file.url.clone();
        Ok((file, Download { url, checksum: checksum.parse()?, bytes: file.bytes, max_bytes }))
    });
    let downloads = downloads.collect::<Result<Vec<_>, FetchError>>()?;
    let mut paths = Vec::with_capacity(downloads.len());
    for (file, download) in downloads {
        let path = directory.join(&file.name);
        fetch::fetch(&download, &path, options, &mut |done| progress(file, done))?;
        paths.push(path);
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Checksum;

    #[test]
    fn every_entry_and_view_can_be_read() {
        assert_eq!(entries().len(), ENTRIES.len());
        for (name, text) in ENTRIES {
            let entry: Entry = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(entry.name, name);
            assert_eq!(entry.view_name.is_some(), entry.view().unwrap().is_some(), "{name}");
            // One without a view says why, unless a task brings it.
            let says_why = entry.description.contains("There is no view of it");
            assert_eq!(entry.view_name.is_none() && entry.task.is_none(), says_why, "{name}");
            for file in &entry.files {
                let name = &file.name;
                assert!(!name.contains(['/', '\\']) && file.url.starts_with("https://"), "{name}");
                if let Some(checksum) = &file.checksum {
                    checksum.parse::<Checksum>().unwrap();
                    assert!(file.bytes.or(file.max_bytes).is_some(), "{name} has no bound");
                }
            }
        }
        let used = entries();
        let is_used = |view: &str| used.iter().any(|entry| entry.view_name.as_deref() == Some(view));
        assert!(VIEWS.iter().all(|(view, _)| is_used(view)));
    }

    #[test]
    fn what_is_not_known_is_not_fetched() {
        let directory = tempfile::tempdir().unwrap();
        let check = |entry: &str, names: &[&str], expected: &str| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let entry = find(entry).unwrap();
            let outcome = fetch(&entry, &names, directory.path(), &FetchOptions::default(), &mut |_, _| {});
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("colliderml", &[], "are not listed here");
        check("jetnet-30", &["t.hdf5"], "checksum is not known");
        check("top-tagging", &["tran.h5"], "train.h5, val.h5, test.h5");
        assert_eq!(find("top-tagging").unwrap().bytes(), Some(1_733_724_007));
        assert_eq!(find("nothing"), None);
    }
}
