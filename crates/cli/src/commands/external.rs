//! An unknown command `x` is the program `fiducial-x`, as with cargo.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::Failure;

pub(crate) fn run(words: &[OsString]) -> Result<(), Failure> {
    let Some((name, arguments)) = words.split_first() else {
        return Err(Failure::usage("no command is given"));
    };
    let mut program = OsString::from("fiducial-");
    program.push(name);
    // It takes this process's place: signals and the exit code are its own. What comes back is an error.
    let error = Command::new(&program).args(arguments).exec();
    let name = name.to_string_lossy();
    let failure = match error.kind() {
        ErrorKind::NotFound => {
            Failure::usage(format!("find command \"{name}\": there is no program fiducial-{name} either"))
        }
        _ => Failure::other(format!("start fiducial-{name}: {error}")),
    };
    Err(failure.hint("`fiducial --help` lists the commands"))
}
