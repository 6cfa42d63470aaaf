//! The project's own tasks, run as `cargo xtask TASK`.
#![allow(clippy::print_stderr, reason = "a task runner talks to the person who runs it")]

mod python;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const USAGE: &str = "usage: cargo xtask TASK

  test [-- FILTER…]   format, lints, then all tests, with the Python packages that they compare with, and those of our own;
                      after --, arguments for `cargo test`, and only the tests are run
  pytest [ARGS…]      the tests of our Python package alone, with the module of the workspace's build
  wheel [ARGS…]       the same with the package installed as a user does, by pip
  lint                format and lints alone
  fuzz [SECONDS]      fuzzes the reader of ROOT files for that long (60 s), with the address sanitizer
  python              installs the tests' Python environment and prints its interpreter

exit codes: 0 all passed, 1 something failed, 2 wrong usage";

/// What a task ends with: the text of an error goes to stderr.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => lint().and_then(|()| test(&[])).and_then(|()| pytest(python::test_package, &[])),
        ["test", "--", rest @ ..] => test(rest),
        ["pytest", arguments @ ..] => pytest(python::test_package, arguments),
        ["wheel", arguments @ ..] => pytest(python::test_installed_package, arguments),
        ["lint"] => lint(),
        ["fuzz"] => fuzz("60"),
        ["fuzz", seconds] => fuzz(seconds),
        ["python"] => python::interpreter().map(|path| eprintln!("{}", path.display())),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

/// Cargo's target directory, where what the tests install is kept too.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end; anything but success is an error that names it.
fn run(command: &mut Command) -> Outcome {
    let line = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    eprintln!("xtask: {line}");
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` ended with {status}")) }
}

fn lint() -> Outcome {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&[
        "clippy",
        "--locked",
        "--release",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))
}

fn test(filter: &[&str]) -> Outcome {
    let mut tests = cargo(&["test", "--locked", "--release", "--workspace"]);
    match python::interpreter() {
        Ok(path) => {
            tests.env("FIDUCIAL_TEST_PYTHON", path);
        }
        // Without Python the tests that compare with it say, each, that they were skipped; in CI that would hide a failure.
        Err(reason) if std::env::var_os("CI").is_some() => return Err(reason),
        Err(reason) => eprintln!("xtask: tests that compare with Python packages are skipped: {reason}"),
    }
    run(tests.args(filter))
}

/// Tests of our Python package, as one of the ways to come by it runs them.
fn pytest(tests: fn(&Path, &[&str]) -> Outcome, arguments: &[&str]) -> Outcome {
    match python::interpreter() {
        Ok(interpreter) => tests(&interpreter, arguments),
        Err(reason) if std::env::var_os("CI").is_some() => Err(reason),
        Err(reason) => {
            eprintln!("xtask: the tests of the Python package are skipped: {reason}");
            Ok(())
        }
    }
}

fn fuzz(seconds: &str) -> Outcome {
    run(Command::new("bash").arg(root().join("crates/root/fuzz/run.sh")).arg(seconds))
}
