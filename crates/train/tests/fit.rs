//! The loop learns, repeats itself, and refuses what it cannot train on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // the helpers of tests are tests too
use std::path::Path;

use fiducial_models::{ComputeDevice, Network, OptimiserKind, Precision};
use fiducial_train::{
    Decay, Error, FitOptions, Fitted, Phase, StartWeights, Stopped, Training, fit, predict,
};

mod toy;
use toy::Toy;

#[test]
fn the_same_bytes_at_any_number_of_threads() {
    for (name, model) in [("flow", toy::flow()), ("net", toy::net()), ("transformer", toy::transformer())] {
        let mut toy = Toy::new(model);
        // More than one piece of work for each operation: these split at some hundred rows.
        toy.train = toy::tensors(700, 0);
        toy.training = Training { epochs: 2, batch_size: 300, ..toy.training };
        let at = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let fitted = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
                let scores = predict(&fitted.network, &toy.validation, 64).unwrap();
                (toy::bytes(&fitted), scores)
            })
        };
        let (one, two, five) = (at(1), at(2), at(5));
        assert!(one == two && one == five, "{name} depends on the number of threads");
    }
}

#[test]
fn it_learns_and_keeps_the_best_epoch() {
    let mut toy = Toy::new(toy::flow());
    toy.train = toy::tensors(3000, 0);
    toy.validation = toy::tensors(1000, 1 << 40);
    toy.training = Training { epochs: 30, batch_size: 100, patience: Some(4), ..toy.training };
    let mut epochs_seen = 0;
    let fitted = fit(&toy.job(), &FitOptions::default(), &mut |progress| {
        if progress.phase == Phase::EpochDone {
            epochs_seen += 1;
            assert_eq!((progress.epoch, progress.history.len()), (epochs_seen, epochs_seen));
        }
    })
    .unwrap();
    let report = fitted.report.clone();
    assert_eq!(epochs_seen, report.history.len());
    let best = report.best().unwrap();
    assert!(best.validation_accuracy.unwrap() > 0.7, "{best:?}");
    assert!(report.history.iter().all(|epoch| epoch.validation_loss >= best.validation_loss));
    if report.stopped == Stopped::EarlyStopping {
        assert_eq!(report.history.len(), report.best_epoch + 4);
    }

    // The network is the best epoch's: its accuracy is the one in the history.
    let scores = predict(&fitted.network, &toy.validation, 333).unwrap();
    let (mut right, mut total) = (0.0, 0.0);
    for ((row, label), weight) in
        scores.chunks_exact(2).zip(&toy.validation.labels).zip(&toy.validation.weights)
    {
        assert!((row[0] + row[1] - 1.0).abs() < 1e-6);
        right += if (row[1] > row[0]) == (*label == 1) { f64::from(*weight) } else { 0.0 };
        total += f64::from(*weight);
    }
    assert!((right / total - best.validation_accuracy.unwrap()).abs() < 1e-9);
}

#[test]
fn class_weights_move_the_scores() {
    let mean_top_score = |weight: f64| {
        let mut toy = Toy::new(toy::flow());
        toy.training.class_weights.insert("top".into(), weight);
        toy.training.epochs = 20;
        let fitted = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
        let scores = predict(&fitted.network, &toy.validation, 100).unwrap();
        scores.chunks_exact(2).map(|row| row[1]).sum::<f64>() / toy.validation.rows() as f64
    };
    let (low, high) = (mean_top_score(0.2), mean_top_score(5.0));
    assert!(low + 0.2 < high, "{low} {high}");
}

#[test]
fn a_loss_that_is_not_finite_names_the_rows_and_keeps_the_checkpoint() {
    let mut toy = Toy::new(toy::flow());
    toy.training.learning_rate = 1e35;
    toy.training.warmup_epochs = Some(0.0);
    let dir = tempfile::tempdir().unwrap();
    let options = FitOptions {
        checkpoints: Some(dir.path().into()),
        checkpoint_every: std::time::Duration::ZERO,
        ..FitOptions::default()
    };
    let error = fit(&toy.job(), &options, &mut |_| {}).unwrap_err();
    let Error::NotFinite { ref rows, epoch, step, .. } = error else { panic!("{error}") };
    assert_eq!((rows.len(), epoch), (32, 1));
    assert!(step > 1 && rows.iter().all(|row| *row < 150));
    let text = error.to_string();
    assert!(text.contains("with row ids") && text.contains("and 16 more"), "{text}");
    let kept = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.display().to_string().contains("weights-"))
        .unwrap();
    Network::open(kept).unwrap();
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let check = |change: fn(&mut Toy), message: &str| {
        let mut toy = Toy::new(toy::flow());
        change(&mut toy);
        let error = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    check(|toy| toy.train = toy::tensors(0, 0), "train on the train split: it is empty");
    check(|toy| toy.validation = toy::tensors(0, 0), "train on the validation split: it is empty");
    check(|toy| toy.train.labels.clear(), "it has 150 rows, but 0 labels");
    check(|toy| toy.train.labels[5] = 2, "it has the label 2, but the view has 2 classes");
    check(|toy| toy.train.weights.fill(0.0), "its weights add up to 0");
    // It would learn to say the same of every jet, with an accuracy of 1.
    check(|toy| toy.train.labels.fill(1), "all rows that weigh anything are of the class top");
    check(
        |toy| toy.training.class_weights = [("top".to_owned(), 0.0)].into(),
        "train split: all rows that weigh anything are of the class qcd: there is nothing to tell apart",
    );
    check(|toy| toy.validation.weights.fill(-1.0), "the sum must be positive");
    check(|toy| toy.training.batch_size = 0, "training.batch_size = 0");
    check(|toy| toy.training.class_weights = [("b".to_owned(), 1.0)].into(), "the view has no such class");
    check(|toy| drop(toy.train.groups.remove(1)), "no group \"features\"");
}

#[test]
fn a_checkpoint_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let toy = Toy::new(toy::flow());
    let options =
        FitOptions { checkpoints: Some(Path::new(&file).join("checkpoint")), ..FitOptions::default() };
    let error = fit(&toy.job(), &options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("create directory") && error.contains("file/checkpoint"), "{error}");
}

#[test]
fn a_poisoned_row_is_named() {
    let mut toy = Toy::new(toy::flow());
    // Finite, so that it is no bad input; but the network overflows on it.
    toy::poison(&mut toy.train, 77);
    let error = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap_err();
    let Error::NotFinite { ref rows, ref suspects, .. } = error else { panic!("{error}") };
    assert!(rows.contains(&77) && rows.len() == 32);
    assert_eq!(*suspects, [77]);
    assert!(error.to_string().contains("scores that are not finite come from row ids 77"), "{error}");

    let mut toy = Toy::new(toy::flow());
    toy.train.groups[1].data[78 * 3 * toy::LENGTH] = f32::NAN;
    let error = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("train on the train split: row id 78: ") && error.contains("is NaN"), "{error}");
}

#[test]
fn each_optimiser_and_schedule_learns() {
    let kinds = [
        (OptimiserKind::AdamW, 3e-3),
        (OptimiserKind::Lion, 1e-3),
        (OptimiserKind::Muon, 3e-3),
        (OptimiserKind::Ranger, 1e-2),
    ];
    let decays = [Decay::Linear, Decay::Constant, Decay::FlatThenExponential, Decay::OneCycle];
    for ((optimiser, learning_rate), schedule) in kinds.into_iter().zip(decays) {
        let mut toy = Toy::new(toy::flow());
        toy.train = toy::tensors(1500, 0);
        toy.validation = toy::tensors(500, 1 << 40);
        toy.training = Training {
            epochs: 20,
            batch_size: 100,
            micro_batches: 2,
            optimiser,
            learning_rate,
            schedule,
            warmup_epochs: None,
            ema_decay: (optimiser == OptimiserKind::AdamW).then_some(0.95),
            ..toy.training
        };
        let fitted = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
        let (first, last) = (&fitted.report.history[0], fitted.report.history.last().unwrap());
        assert!(
            last.train_loss + 0.02 < first.train_loss,
            "{optimiser:?} {schedule:?}: {first:?} to {last:?}"
        );
    }
}

#[test]
fn the_average_is_what_is_validated_and_kept() {
    let mut toy = Toy::new(toy::net());
    toy.training.epochs = 3;
    let raw = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
    toy.training.ema_decay = Some(0.9);
    let averaged = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
    // The steps are the same, what is judged is not.
    for (one, other) in raw.report.history.iter().zip(&averaged.report.history) {
        assert_eq!(one.train_loss, other.train_loss);
        assert_ne!(one.validation_loss, other.validation_loss);
    }
    let scores = predict(&averaged.network, &toy.validation, 64).unwrap();
    let (mut loss, mut weight) = (0.0, 0.0);
    for (row, (label, w)) in
        scores.chunks_exact(2).zip(toy.validation.labels.iter().zip(&toy.validation.weights))
    {
        let w = f64::from(*w) * if *label == 1 { 1.5 } else { 1.0 };
        loss -= w * row[*label as usize].ln();
        weight += w;
    }
    let best = averaged.report.best().unwrap();
    assert!((loss / weight - best.validation_loss).abs() < 1e-6);
}

/// Running moments lag behind weights that move fast, and an average of them belongs to no weights: the validation loss was that of a
/// network which nobody had trained, orders above the training loss after the first epochs.
#[test]
fn batch_norms_are_judged_by_moments_of_the_weights_that_they_have() {
    // Without dropout, on the same jets: all that can differ from the training loss is what the batch norms normalise by. With running
    // moments it was 0.04 and 0.69 more; what is left is that a batch of 60 jets knows its own moments.
    let net =
        "kind = \"particle-net\"\nneighbours = 3\nconvolutions = [[8, 8], [12]]\nhead = [8]\ndropout = 0.0";
    let lorentz = "kind = \"lorentz-net\"\nwidth = 12\nblocks = 2\nhead = [8]\ndropout = 0.0";
    let check = |model: &str, ema_decay: Option<f64>, allowed: f64| {
        let mut toy = Toy::new(toy::model(model));
        toy.train = toy::tensors(600, 0);
        toy.validation = toy.train.clone();
        toy.training = Training {
            epochs: 1,
            batch_size: 60,
            ema_decay,
            schedule: Decay::Constant,
            warmup_epochs: Some(0.0),
            learning_rate: 1e-2,
            gradient_clip: None,
            ..toy.training
        };
        let fitted = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
        let judged = fitted.report.history[0].validation_loss;

        // An epoch in which nothing moves: its training loss is that of the same weights with the batches' own moments.
        toy.start = Some(StartWeights { name: "it".into(), bytes: toy::bytes(&fitted), fresh: vec![] });
        toy.training.freeze = vec!["*".into()];
        let still = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
        let expected = still.report.history[0].train_loss;
        let off = (judged / expected - 1.0).abs();
        assert!(off < allowed, "{model}: {judged} for {expected}, {ema_decay:?}");
    };
    for ema_decay in [None, Some(0.99)] {
        check(lorentz, ema_decay, 0.015);
        check(net, ema_decay, 0.05);
    }
}

#[test]
fn fine_tuning_starts_from_weights_and_moves_what_it_may() {
    let mut toy = Toy::new(toy::flow());
    let before = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
    let start = |fresh: &[&str]| StartWeights {
        name: "before".into(),
        bytes: toy::bytes(&before),
        fresh: fresh.iter().map(|&pattern| pattern.to_owned()).collect(),
    };
    // Of a training that moves nothing, the start is left.
    toy.start = Some(start(&[]));
    toy.training.freeze = vec!["*".into()];
    let frozen = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
    assert!(toy::bytes(&frozen) == toy::bytes(&before));
    let started = frozen.report.started.unwrap();
    assert_eq!((started.loaded, started.fresh.len(), started.unused.len()), (8, 0, 0));

    // A head for another number of classes.
    let mut other = Toy::new(toy::model_of(3));
    other.classes.push("w".into());
    other.start = Some(start(&[]));
    let error = fit(&other.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("[16, 2] there and [16, 3] here"), "{error}");
    other.start = Some(start(&["head.output.*"]));
    other.training.freeze = vec!["phi.*".into()];
    other.training.learning_rate_factors.insert("head.hidden.*".into(), 0.1);
    let mut seen = None;
    let fitted = fit(&other.job(), &FitOptions::default(), &mut |progress| {
        seen = seen.take().or_else(|| progress.started.cloned());
    })
    .unwrap();
    let started = fitted.report.started.clone().unwrap();
    assert_eq!(started.fresh, ["head.output.bias", "head.output.weight"]);
    assert_eq!(seen, Some(started));
    other.training.freeze = vec!["psi.*".into()];
    let error = fit(&other.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("training.freeze = psi.*: no parameter has such a name"), "{error}");
}

#[test]
fn bf16_learns_as_single_precision_does_or_is_refused() {
    let text = "kind = \"particle-flow-network\"\nphi = [64, 64]\nhead = [48]";
    let mut toy = Toy::new(toy::model(text));
    toy.train = toy::tensors(700, 0);
    toy.training = Training { epochs: 4, batch_size: 100, ..toy.training };
    let loss = |fitted: &Fitted| fitted.report.best().unwrap().validation_loss;
    let single = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap();
    toy.training.precision = Precision::BFloat16;
    if let Err(error) = toy.training.precision.check(ComputeDevice::Cpu) {
        let refused = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
        assert!(refused.contains(&error.to_string()), "{refused}");
        println!("learning skipped: {error}");
        return;
    }
    let at = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap())
    };
    let (one, three) = (at(1), at(3));
    assert!(toy::bytes(&one) == toy::bytes(&three), "it depends on the number of threads");
    assert!(toy::bytes(&one) != toy::bytes(&single), "nothing was rounded");
    assert!((loss(&one) - loss(&single)).abs() < 0.02, "{} for {}", loss(&one), loss(&single));
}

#[test]
fn a_device_that_is_not_there_is_refused_before_anything() {
    let toy = Toy::new(toy::flow());
    let options = FitOptions { device: Some(ComputeDevice::Cuda(4096)), ..FitOptions::default() };
    let error = fit(&toy.job(), &options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("cuda:4096"), "{error}");
}

#[test]
fn a_plan_of_patterns_is_checked() {
    let check = |change: fn(&mut Training), message: &str| {
        let mut toy = Toy::new(toy::flow());
        change(&mut toy.training);
        let error = fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    };
    check(|training| training.micro_batches = 0, "training.micro_batches = 0");
    check(|training| training.micro_batches = 33, "a batch has not so many jets");
    check(|training| training.betas = Some([0.9, 1.0]), "training.betas");
    check(|training| training.epsilon = Some(0.0), "training.epsilon = 0.0: ");
    check(|training| training.ema_decay = Some(1.0), "training.ema_decay");
    check(|training| training.schedule = Decay::OneCycle, "one cycle has a rise of its own");
    check(
        |training| training.learning_rate_factors = [("*".into(), -1.0)].into(),
        "training.learning_rate_factors",
    );
}
