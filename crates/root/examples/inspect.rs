//! Lists the trees and columns of a file: `cargo run --release -p fiducial-root --example inspect -- FILE`.
#![allow(clippy::print_stdout, reason = "an example prints")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let file = fiducial_root::RootFile::open(&path)?;
        for name in file.tree_names()? {
            let tree = file.tree(&name)?;
            println!("{path}: {name}, {} entries in {} clusters", tree.entries(), tree.clusters().len());
            for column in tree.columns() {
                let kind = match &column.kind {
                    Ok(kind) => kind.to_string(),
                    Err(reason) => format!("unreadable: {reason}"),
                };
                println!("  {}: {} -> {kind}", column.name, column.type_name);
                if column.kind.is_ok()
                    && let Err(e) = tree.read(&[&column.name], 0..column.entries.min(tree.entries()))
                {
                    println!("    failed to {e}");
                }
            }
        }
    }
    Ok(())
}
