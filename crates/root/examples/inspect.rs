//! Lists the trees, ntuples and columns of a file: `cargo run --release -p fiducial-root --example inspect -- FILE`.
#![allow(clippy::print_stdout, reason = "an example prints")]

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let file = fiducial_root::RootFile::open(&path)?;
        for name in file.table_names()? {
            let table = file.table(&name)?;
            println!("{path}: {name}, {} entries in {} clusters", table.entries(), table.clusters().len());
            for column in table.columns().iter().chain(table.members()) {
                let kind = match &column.kind {
                    Ok(kind) => kind.to_string(),
                    Err(reason) => format!("unreadable: {reason}"),
                };
                println!("  {}: {} -> {kind}", column.name, column.type_name);
                if column.kind.is_ok()
                    && let Err(e) = table.read(&[&column.name], 0..column.entries.min(table.entries()))
                {
                    println!("    failed to {e}");
                }
            }
        }
    }
    Ok(())
}
