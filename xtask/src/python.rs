//! The tests' Python environment: made once, made anew when its list of packages changes.

use std::path::PathBuf;
use std::process::Command;

use crate::{root, run, target};

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

fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
