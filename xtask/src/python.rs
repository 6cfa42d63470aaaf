//! The tests' Python environment: made once, made anew when its list of packages changes. Our own package is tested in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, cargo, root, run, target};

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
pub(crate) fn test_installed_package(interpreter: &Path, arguments: &[&str]) -> Outcome {
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

/// Runs the tests of the package `fiducial` with a module that cargo made here, laid beside its Python sources. Built alone, its
/// dependencies have fewer features than in the whole workspace, so that Arrow's are compiled once more; maturin would compile all.
pub(crate) fn test_package(interpreter: &Path, arguments: &[&str]) -> Outcome {
    run(&mut cargo(&["build", "--locked", "--release", "-p", "fiducial-python"]))?;
    let place = assemble()?;
    run(Command::new(interpreter)
        .args(["-m", "pytest"])
        .args(arguments)
        .env("PYTHONPATH", place)
        .current_dir(root().join("crates/python")))
}

/// The package as a directory, as an installation would leave it; the path that Python is to look in.
fn assemble() -> Result<PathBuf, String> {
    let place = target().join("python-package");
    let package = place.join("fiducial");
    let failed = |path: &Path| {
        let shown = path.display().to_string();
        move |error: std::io::Error| format!("cannot write {shown}: {error}")
    };
    // Nothing may be left of sources that are gone.
    if package.exists() {
        std::fs::remove_dir_all(&package).map_err(failed(&package))?;
    }
    std::fs::create_dir_all(&package).map_err(failed(&package))?;
    let sources = root().join("crates/python/python/fiducial");
    for entry in std::fs::read_dir(&sources).map_err(|error| format!("cannot list sources: {error}"))? {
        let entry = entry.map_err(|error| format!("cannot list sources: {error}"))?;
        if entry.path().is_file() {
            let copy = package.join(entry.file_name());
            std::fs::copy(entry.path(), &copy).map_err(failed(&copy))?;
        }
    }
    // As cargo names a library here, and as Python looks for a module of the stable interface.
    let (built, name) = if cfg!(windows) {
        ("fiducial_python.dll", "_fiducial.pyd")
    } else if cfg!(target_os = "macos") {
        ("libfiducial_python.dylib", "_fiducial.abi3.so")
    } else {
        ("libfiducial_python.so", "_fiducial.abi3.so")
    };
    let (built, module) = (target().join("release").join(built), package.join(name));
    std::fs::copy(&built, &module).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    Ok(place)
}

fn read(path: &PathBuf) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
