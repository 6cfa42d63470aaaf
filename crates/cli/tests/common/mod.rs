//! A directory of its own for each test, and the command run in it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A directory that goes when the test ends.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Its stdout, if it succeeded.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The command, ready to run here, with a cache of its own and with programs in this directory on the path.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fiducial"));
        let path =
            format!("{}:{}", self.directory.path().display(), std::env::var("PATH").unwrap_or_default());
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("FIDUCIAL_CACHE", self.path("cache"))
            .env("PATH", path)
            .env("COLUMNS", "100")
            .env("NO_COLOR", "1");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        let output = self.command(arguments).output().unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The checkout.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The tasks' folders.
pub(crate) fn benchmarks() -> PathBuf {
    checkout().join("benchmarks")
}

/// Real files that lie beside a developer's checkout.
pub(crate) fn shared() -> PathBuf {
    checkout().join("../shared/data")
}

/// Whether they are there; says so if not.
pub(crate) fn has_shared() -> bool {
    let is_there = shared().is_dir();
    if !is_there {
        eprintln!("skipped: there are no shared data files beside the checkout");
    }
    is_there
}

/// Validates JSON against a schema of the repository, with Python's jsonschema.
pub(crate) fn validate(sandbox: &Sandbox, schema: &str, json: &str) {
    let Some(python) = std::env::var_os("FIDUCIAL_TEST_PYTHON") else {
        eprintln!(
            "skipped: FIDUCIAL_TEST_PYTHON is not set, so {schema} is not checked; `cargo xtask test` sets it"
        );
        return;
    };
    sandbox.write("instance.json", json.as_bytes());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/validate.py");
    let output = Command::new(python)
        .arg(script)
        .arg(checkout().join("schemas"))
        .arg(schema)
        .arg(sandbox.path("instance.json"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{schema}: {}", String::from_utf8_lossy(&output.stderr));
}
