//! The loop learns, repeats itself, and refuses what it cannot train on.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
use std::path::Path;

use fiducial_models::Network;
use fiducial_train::{Error, FitOptions, Phase, Stopped, Training, fit, predict};

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
    assert!(best.validation_accuracy > 0.7, "{best:?}");
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
    assert!((right / total - best.validation_accuracy).abs() < 1e-9);
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
    toy.training.warmup_epochs = 0.0;
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
