//! What ended a command, with its exit code and a hint on what to do next.

use std::fmt::Display;

/// The kinds of failure; each has an exit code, which `fiducial --help` documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other = 1,
    Usage = 2,
    Input = 3,
    Check = 4,
}

/// A failure: a text that fits behind "failed to", and perhaps a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// A reason outside the input: disk, memory, network.
    pub(crate) fn other(message: impl Display) -> Self {
        Self { kind: Kind::Other, message: message.to_string(), hint: None }
    }

    /// An unknown command, option, task or model.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { kind: Kind::Usage, message: message.to_string(), hint: None }
    }

    /// Input that cannot be read or does not fit.
    pub(crate) fn input(message: impl Display) -> Self {
        Self { kind: Kind::Input, message: message.to_string(), hint: None }
    }

    /// A check that found problems.
    pub(crate) fn check(message: impl Display) -> Self {
        Self { kind: Kind::Check, message: message.to_string(), hint: None }
    }

    /// Says what to do next.
    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        self.kind as u8
    }

    /// Prints to stderr: what failed, and the hint on a line of its own.
    pub(crate) fn print(&self) {
        eprintln!("error: failed to {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
    }
}

impl From<fiducial_root::Error> for Failure {
    fn from(error: fiducial_root::Error) -> Self {
        Self::input(error)
    }
}

impl From<fiducial_data::source::Error> for Failure {
    fn from(error: fiducial_data::source::Error) -> Self {
        Self::input(error)
    }
}

impl From<fiducial_train::Error> for Failure {
    fn from(error: fiducial_train::Error) -> Self {
        match error {
            fiducial_train::Error::Worker { .. } => Self::other(error),
            fiducial_train::Error::Io { ref source, .. } if is_full(source) => Self::other(error).hint(
                "make room and give the same command again: a training goes on from its last checkpoint",
            ),
            fiducial_train::Error::NotFinite { .. } => Self::input(error).hint(
                "look at these rows; a lower learning_rate, a longer warm-up or a gradient_clip may keep the weights from going astray",
            ),
            error => Self::input(error),
        }
    }
}

/// Whether there is no room on a disk.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

impl From<fiducial_bench::Error> for Failure {
    fn from(error: fiducial_bench::Error) -> Self {
        use fiducial_bench::Error;
        match error {
            Error::UnknownTask { .. } => Self::usage(error).hint("`fiducial bench list` shows the tasks"),
            Error::UnknownModel { .. } => {
                Self::usage(error).hint("give one of the task's models, or the path of a recipe file")
            }
            Error::Directory { .. } => {
                Self::input(error).hint("give another directory with --out, or start anew with --fresh")
            }
            Error::Data(error) => error.into(),
            Error::Train(error) => error.into(),
            Error::Io { .. } | Error::Fetch(_) => Self::other(error),
            error => Self::input(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// It was 3, as of input that cannot be read, and said nothing of what to do.
    #[test]
    fn a_full_disk_is_no_bad_input() {
        let failure = |kind: io::ErrorKind| {
            Failure::from(fiducial_train::Error::Io {
                action: "write",
                path: "model/checkpoint".into(),
                source: kind.into(),
            })
        };
        let full = failure(io::ErrorKind::StorageFull);
        assert_eq!(full.exit_code(), 1);
        assert!(full.hint.is_some_and(|hint| hint.contains("goes on from its last checkpoint")));
        assert_eq!(failure(io::ErrorKind::NotFound).exit_code(), 3);
    }
}
