//! The `fiducial` command.
fn main() {}
