//! Choosing columns by patterns.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::tree::Tree;

impl Tree {
    /// The names of the columns that match any of some patterns, in the order of the tree, each once. In a pattern "*"
    /// stands for any characters, "/" included, and "?" for one; all else stands for itself.
    ///
    /// Columns that cannot be read are among them: reading them is an error that gives the reason, and
    /// [`crate::Column::kind`] tells beforehand.
    ///
    /// # Errors
    /// [`Error::NotFound`] where a pattern matches no column.
    ///
    /// ```
    /// # fn main() -> Result<(), fiducial_root::Error> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/codecs.root");
    /// let tree = fiducial_root::RootFile::open(path)?.tree("zlib/events")?;
    /// assert_eq!(tree.select(&["part_*", "f?"])?, ["f4", "f8", "part_pt", "part_id"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn select(&self, patterns: &[&str]) -> Result<Vec<&str>> {
        for pattern in patterns {
            if !self.columns().iter().any(|column| matches(pattern, &column.name)) {
                return Err(Error::NotFound {
                    file: Arc::from(format!("tree {} of {}", self.name(), self.file().name())),
                    what: format!("a column that matches {pattern:?}"),
                });
            }
        }
        let names = self.columns().iter().map(|column| column.name.as_str());
        Ok(names.filter(|name| patterns.iter().any(|pattern| matches(pattern, name))).collect())
    }
}

/// Whether a name matches a pattern of "*" and "?". Takes time in the product of both lengths at most.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The last star, and how far the name was when it was met: the place to go back to.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some('?') => (p, n) = (p + 1, n + 1),
            Some(c) if *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks_match() {
        for (pattern, name, expected) in [
            ("Muon_*", "Muon_pt", true),
            ("Muon_*", "nMuon", false),
            ("*pt*", "Muon_pt/x", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("x[3]", "x[3]", true),
            ("*a*b*a", "aabbaba", true),
            ("*a*b*c", "aabbaba", false),
            ("*ab", "aaab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
