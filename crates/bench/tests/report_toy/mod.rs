//! A toy to fill a report with: two classes of seeded random scores, three-pronged and single-pronged jets.

use fiducial_bench::report::{
    ClassHistogram, CutflowStep, DataSummary, EpochValues, Explanation, Fact, GradientShares, Histogram,
    JetImage, MetricValue, Published, ReportData, RunSummary, Share, SourceSummary, SplitSummary,
    StepResources, TrainingHistory,
};
use fiducial_metrics::{BinaryScores, Bootstrap};

/// A small generator of random numbers (SplitMix64): a toy needs no more.
struct Toy(u64);

impl Toy {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn gauss(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// The report of the toy.
pub(crate) fn report() -> Result<ReportData, Box<dyn std::error::Error>> {
    let mut toy = Toy(20);
    let jets = 13_333;
    let is_signal: Vec<bool> = (0..jets).map(|i| i % 2 == 0).collect();
    let logits: Vec<f64> =
        is_signal.iter().map(|&signal| 2.0 * toy.gauss() + if signal { 3.0 } else { -3.0 }).collect();
    let events = BinaryScores::new(&logits, &is_signal, None)?;
    let bootstrap = Bootstrap { replicas: 200, seed: 0 };
    let summary = events.summary(0.0, &[0.5, 0.3], 200, &bootstrap)?;

    let mut scores = [Histogram::new(0.0, 1.0, 50), Histogram::new(0.0, 1.0, 50)];
    for (logit, &signal) in logits.iter().zip(&is_signal) {
        scores[usize::from(!signal)].fill(1.0 / (1.0 + (-logit).exp()), 1.0);
    }
    let metric = |key: &str, title: &str, estimate, counted: &str| MetricValue {
        key: key.to_owned(),
        title: title.to_owned(),
        estimate,
        counted: counted.to_owned(),
    };
    let rejection = |i: usize| summary.working_points[i].background_rejection;
    let passing = "qcd jets pass the cut";
    let share = |name: &str, value, error| Share { name: name.to_owned(), value, error };
    Ok(ReportData {
        title: "Top quark or QCD: which made this jet?".to_owned(),
        task: "jet-tagging/top".to_owned(),
        description: "A toy to look at the report with: random scores, random jets. A jet of a boosted top quark holds three \
            prongs; one of a light quark or a gluon is a single spray. What counts is the background rejection at a fixed \
            signal efficiency."
            .to_owned(),
        model: "toy".to_owned(),
        measured_on: "the test split of the toy, 13,333 jets, half of them top".to_owned(),
        intervals: "68 % intervals: Poisson bootstrap over the events, percentiles, 200 replicas".to_owned(),
        signal: "top".to_owned(),
        background: "qcd".to_owned(),
        metrics: vec![
            metric("accuracy", "accuracy", summary.accuracy, "jets"),
            metric("roc_auc", "ROC AUC", summary.roc_auc, "jets"),
            metric("background_rejection_at_0.5", "1/εB at εS = 0.5", rejection(0), passing),
            metric("background_rejection_at_0.3", "1/εB at εS = 0.3", rejection(1), passing),
        ],
        roc_curve: Some(summary.roc_curve),
        scores: ["top", "qcd"]
            .into_iter()
            .zip(scores)
            .map(|(class, histogram)| ClassHistogram { class: class.to_owned(), histogram })
            .collect(),
        training: Some(training(&mut toy)),
        images: vec![image(&mut toy, "top", 3, 0.35, 0.07), image(&mut toy, "qcd", 1, 0.0, 0.12)],
explanation: Some(Explanation {
            importances: vec![share("part_logptrel", 0.0731, 0.0042), share("points", 0.0312, 0.0031), share("part_deltaR", -0.0004, 0.0009)],
            importance_jets: [1000, 10],
            gradients: Some(GradientShares {
                features: vec![share("part_logptrel", 1.31, 0.05), share("part_deltaR", 0.72, 0.03)],
                constituents: (1..=12).map(|rank| share(&rank.to_string(), 1.5 / f64::from(rank), 0.04)).collect(),
                jets: [200, 16],
                incompleteness: 0.021,
            }),
        }),
        published: Some(Published::parse(include_str!("../../../../benchmarks/jet-tagging/top/published.toml"))?),
        is_reference_data: false,
        data_difference: Some("The toy holds random numbers, and no jets at all.".to_owned()),
        data: data(),
        run: run(),
    })
}

fn training(toy: &mut Toy) -> TrainingHistory {
    let epochs = (1..=30).map(|epoch| {
        let t = f64::from(epoch);
        let train_loss = 0.17 + 0.25 * (-t / 4.0).exp() + 0.002 * toy.gauss();
        let validation_loss =
            0.19 + 0.22 * (-t / 4.0).exp() + 0.0008 * (t - 18.0).max(0.0) + 0.004 * toy.gauss();
        EpochValues {
            epoch: epoch as usize,
            train_loss,
            validation_loss,
            validation_accuracy: Some(0.93 - 0.12 * (-t / 4.0).exp() + 0.002 * toy.gauss()),
            learning_rate: 1e-3
                * (t / 2.0).min(1.0)
                * (0.505 + 0.495 * (std::f64::consts::PI * t / 30.0).cos()),
        }
    });
    let epochs: Vec<EpochValues> = epochs.collect();
    let best = epochs.iter().min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss));
    let best_epoch = best.map_or(1, |epoch| epoch.epoch);
    TrainingHistory { epochs, best_epoch, ended: "all epochs done".to_owned(), parameters: 82_178 }
}

/// Jets of `prongs` sprays: `distance` from the axis, constituents `width` around them.
fn image(toy: &mut Toy, class: &str, prongs: usize, distance: f64, width: f64) -> JetImage {
    let mut image = JetImage::new(class, 0.8, 40);
    for _ in 0..3000 {
        image.add_jet(1.0);
        let turn = std::f64::consts::TAU * toy.uniform();
        for constituent in 0..40 {
            let angle = turn + std::f64::consts::TAU * (constituent % prongs) as f64 / prongs as f64;
            let spread = width * (-toy.uniform().max(1e-9).ln());
            let (deta, dphi) = (toy.gauss() * spread, toy.gauss() * spread);
            image.add_constituent(distance * angle.cos() + deta, distance * angle.sin() + dphi, 1.0 / 40.0);
        }
    }
    image
}

fn data() -> DataSummary {
    DataSummary {
        name: "toy".to_owned(),
        description: "40,000 jets that were never made. At most 64 constituents each, hardest first."
            .to_owned(),
        version: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        sources: vec![SourceSummary {
            file: "toy.root".to_owned(),
            rows: 40_000,
            bytes: 11_534_336,
            sha256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".to_owned(),
        }],
        splits: [("train", 22_874), ("validation", 2_541), ("test", 13_333)]
            .map(|(name, rows)| SplitSummary { name: name.to_owned(), rows })
            .to_vec(),
        cutflow: [
            ("all", 40_000),
            ("jet_pt > 550", 39_412),
            ("jet_pt < 650", 38_990),
            ("abs(jet_eta) < 2", 38_748),
        ]
        .map(|(step, rows)| CutflowStep { step: step.to_owned(), rows })
        .to_vec(),
        notes: vec!["312 jets have more than 64 constituents: 1,204 were cut off.".to_owned()],
    }
}

fn run() -> RunSummary {
    let step = |step: &str, wall_seconds: f64, gigabytes: f64| StepResources {
        step: step.to_owned(),
        wall_seconds,
        cpu_seconds: 1.9 * wall_seconds,
        peak_memory_bytes: Some((1e9 * gigabytes) as u64),
        energy_joules: 19.0 * wall_seconds,
        energy_is_estimated: true,
    };
    RunSummary {
        command: "fiducial bench run jet-tagging/top --model toy --seed 20".to_owned(),
        facts: vec![
            Fact::new("Seed", "20"),
            Fact::new("Fiducial", "0.1.0, commit 0123456789abcdef0123456789abcdef01234567"),
            Fact::new("Compiler", "rustc 1.95.0"),
            Fact::new(
                "Executable",
                "sha256 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
            ),
            Fact::new("Machine", "Toy processor, 2 threads, linux x86_64"),
        ],
        steps: vec![
            step("prepare", 6.2, 0.31),
            step("train", 204.0, 0.92),
            step("evaluate", 4.1, 0.92),
            step("total", 214.3, 0.92),
        ],
        energy_note: "Energy was estimated: 10 W for each busy core; memory, disks and losses are not in it."
            .to_owned(),
        texts: vec![
            Fact::new(
                "Recipe",
                "[model]\nkind = \"particle-flow-network\"\n\n[training]\nepochs = 30\nbatch_size = 512",
            ),
            Fact::new(
                "View",
                "format = \"fiducial-view/1\"\nselection = [\"jet_pt > 550\", \"jet_pt < 650\"]",
            ),
        ],
    }
}
