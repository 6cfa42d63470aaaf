//! The tests' Python environment: made once, made anew when its list of packages changes. Our own package is tested in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, root, run, target};

/// The interpreter of an environment that holds all of `xtask/requirements.txt`.
///
/// The list that was installed is kept beside the environment and written last, so that an
/// installation that broke off is done again.
pub(crate) fn interpreter() -> Result<PathBuf, String> {
    let requirements = root().join("xtask/requirements.txt");
    let wanted = read(&requirements)?;
    let environment = target().join("test-python");
    let python = environment.join("bin/python");
    let stamp = environment.join("installed.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    std::fs::write(&stamp, wanted).map_err(|error| format!("cannot write {}: {error}", stamp.display()))?;
    Ok(python)
}

/// Builds the package `fiducial` as a user's `pip install` does, and runs its tests in the environment.
pub(crate) fn test_package(interpreter: &Path, arguments: &[&str]) -> Outcome {
    let package = root().join("crates/python");
    // The build backend is in the environment already: pip need not fetch it for each build.
    let install =
        ["-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--force-reinstall"];
    // The build backend calls `maturin`, which lies beside the interpreter.
    let mut path = interpreter.parent().map(std::ffi::OsString::from).unwrap_or_default();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    run(Command::new(interpreter).args(install).arg(&package).env("PATH", path))?;
    run(Command::new(interpreter).args(["-m", "pytest"]).args(arguments).current_dir(package))
}

fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
