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
    let begin = Instant::now();
    let dataset =
        prepare(&view, &[sample], &directory.path().join("top"), &PrepareOptions::default(), &mut |_| {})?;
    let rows = dataset.rows("train")?;
    report("prepare", rows, begin.elapsed().as_secs_f64(), rayon::current_num_threads());
    let bytes: u64 = dataset.manifest().files.iter().map(|file| file.bytes).sum();
    println!("shards: {:.1} MB", bytes as f64 / 1e6);
    let begin = Instant::now();
    let standardisation = Standardisation::measure(&view, &dataset)?;
    report("measure", rows, begin.elapsed().as_secs_f64(), rayon::current_num_threads());
    for threads in [1, rayon::current_num_threads()] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut seconds = Vec::new();
        for _ in 0..repetitions {
            let begin = Instant::now();
            let found = pool.install(|| tensors(&view, &standardisation, &dataset, "train"))?;
            seconds.push(begin.elapsed().as_secs_f64());
            std::hint::black_box(found);
        }
        seconds.sort_by(f64::total_cmp);
        report("tensors", rows, seconds[repetitions / 2], threads);
    }
    let found = tensors(&view, &standardisation, &dataset, "train")?;
    let begin = Instant::now();
    for batch in shuffled(u32::try_from(rows)?, 20, 0).chunks(512) {
        std::hint::black_box(found.gather(batch));
    }
    report("gather", rows, begin.elapsed().as_secs_f64(), rayon::current_num_threads());
    Ok(())
}

fn report(what: &str, rows: u64, seconds: f64, threads: usize) {
    let rate = rows as f64 / seconds;
    println!("{what}: {rate:.0} jets/s, {:.0} jets/s/core ({threads} threads)", rate / threads as f64);
}
