//! Jets per second from a dataset to standardised, padded tensors: 128 constituents x (2 points + 7 features + 4 vectors +
//! mask), the shapes of the published taggers.
//!
//! ```text
//! cargo run --release -p fiducial-data --example batch_throughput [-- REPETITIONS]
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use fiducial_data::batches::{Standardisation, shuffled, tensors};
use fiducial_data::prepare::{PrepareOptions, prepare};
use fiducial_data::view::View;

const VIEW: &str = r#"
format = "fiducial-view/1"
[splits]
fractions = { train = 1.0 }
[new_variables]
part_energy = "sqrt(part_px * part_px + part_py * part_py + part_pz * part_pz)"
part_pt = "sqrt(part_px * part_px + part_py * part_py)"
part_deta = "eta(part_px, part_py, part_pz) - jet_eta"
part_dphi = "delta_phi(phi(part_px, part_py), jet_phi)"
part_logpt = "log(part_pt)"
part_loge = "log(part_energy)"
part_logptrel = "log(part_pt / jet_pt)"
part_logerel = "log(part_energy / jet_energy)"
part_deltar = "sqrt(part_deta * part_deta + part_dphi * part_dphi)"
part_mask = "ones_like(part_px)"
[inputs.points]
length = 128
variables = ["part_deta", "part_dphi"]
[inputs.features]
length = 128
standardise = "measure"
variables = ["part_deta", "part_dphi", "part_logpt", "part_loge", "part_logptrel", "part_logerel", "part_deltar"]
[inputs.vectors]
length = 128
variables = ["part_px", "part_py", "part_pz", "part_energy"]
[inputs.mask]
length = 128
variables = ["part_mask"]
[labels]
classes = { qcd = "label == 0", top = "label == 1" }
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let repetitions: usize = std::env::args().nth(1).map_or(Ok(9), |text| text.parse())?;
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../benchmarks/jet-tagging/top/sample/top_tagging.root");
    let directory = tempfile::tempdir()?;
    let view = View::parse(VIEW)?;
    let mut number = 0;
    let prepare_anew = || {
        number += 1;
        let out = directory.path().join(number.to_string());
        prepare(&view, std::slice::from_ref(&sample), &out, &PrepareOptions::default(), &mut |_| {})
    };
    let dataset = report("prepare", repetitions, prepare_anew, |dataset| dataset.manifest().total_rows())?;
    let bytes: u64 = dataset.manifest().files.iter().map(|file| file.bytes).sum();
    println!("shards: {:.1} MB", bytes as f64 / 1e6);
    let measure = || Standardisation::measure(&view, &dataset);
    let standardisation = report("measure", repetitions, measure, |measured| measured.rows)?;
    let columns =
        ["part_px", "part_py", "part_pz", "jet_pt", "jet_eta", "jet_phi", "jet_energy", "label", "row_id"];
    report("read", repetitions, || dataset.read("train", &columns), |batch| batch.num_rows() as u64)?;
    let fill = || tensors(&view, &standardisation, &dataset, "train");
    let found = report("tensors", repetitions, fill, |found| found.rows() as u64)?;
    let order = shuffled(u32::try_from(found.rows())?, 20, 0);
    let gather = || -> Result<usize, Box<dyn Error>> {
        Ok(order.chunks(512).map(|rows| std::hint::black_box(found.gather(rows)).labels.len()).sum())
    };
    report("gather", repetitions, gather, |rows| *rows as u64)?;
    Ok(())
}

/// Prints medians: of the time on the wall, and of the time on the processor, which other programs disturb less.
fn report<T, E>(
    what: &str,
    repetitions: usize,
    mut run: impl FnMut() -> Result<T, E>,
    rows: impl Fn(&T) -> u64,
) -> Result<T, E> {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    loop {
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        let result = run()?;
        walls.push(wall.elapsed().as_secs_f64());
        cpus.push(cpu_seconds() - cpu);
        if walls.len() >= repetitions {
            let rate = |seconds: &mut Vec<f64>| {
                seconds.sort_by(f64::total_cmp);
                rows(&result) as f64 / seconds[seconds.len() / 2]
            };
            println!("{what}: {:.0} jets/s, {:.0} jets per CPU second", rate(&mut walls), rate(&mut cpus));
            return Ok(result);
        }
    }
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
