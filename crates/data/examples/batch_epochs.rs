//! Jets per second from a ROOT file to standardised, padded batches of 512, epoch after epoch. The twin of
//! `benches/batches/weaver_twin.py`, which reads the same YAML.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo run --release -p fiducial-data --example batch_epochs -- FILE.root VIEW.yaml EPOCHS [KEEP]
//! ```
//!
//! KEEP is the number of bytes of columns that stay in memory from one epoch to the next; 0 reads the file anew each time.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use fiducial_data::batches::{Loader, LoaderOptions, Standardisation};
use fiducial_data::source;
use fiducial_data::view::View;

/// The allocator of the `fiducial` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, view, epochs, keep) = match arguments.as_slice() {
        [path, view, epochs] => (path, view, epochs, LoaderOptions::default().keep),
        [path, view, epochs, keep] => (path, view, epochs, keep.parse()?),
        _ => return Err("FILE.root VIEW.yaml EPOCHS [KEEP]".into()),
    };
    let view = View::read(view)?;
    let mut loader = None;
    for epoch in 0..epochs.parse()? {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let loader = match &loader {
            Some(loader) if keep > 0 => loader,
            _ => loader.insert(open(path, &view, keep)?),
        };
        let mut jets = 0;
        for batch in loader.epoch(epoch, 0) {
            let batch = std::hint::black_box(batch?);
            jets += batch.rows();
            loader.recycle(batch);
        }
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!("{{\"jets\": {jets}, \"wall_s\": {wall:.6}, \"cpu_s\": {cpu:.6}}}");
    }
    Ok(())
}

fn open(path: &str, view: &View, keep: u64) -> Result<Loader, Box<dyn Error>> {
    let source = source::open(path.as_ref(), view.tree())?;
    let options = LoaderOptions { keep, ..LoaderOptions::default() };
    Ok(Loader::of_sources(view, &Standardisation::default(), vec![source], options)?)
}

/// The time that all threads have spent on a processor; 0 where the system does not tell.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() as f64 * 1e-9
}
