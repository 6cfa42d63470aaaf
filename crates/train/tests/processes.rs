//! Several processes come to the same bytes as one.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use fiducial_models::OptimiserKind;
use fiducial_train::world::Meeting;
use fiducial_train::{Error, Faults, FitOptions, Fitted, World, fit, fit_in};

mod toy;
use toy::Toy;

fn meeting(size: usize) -> Meeting {
    Meeting { size, key: "test".into(), patience: Duration::from_secs(60) }
}

/// Trains in `size` worlds side by side, each with a toy and options of its own.
fn together(
    size: usize,
    toys: impl Fn(usize) -> Toy + Sync,
    options: impl Fn(usize) -> FitOptions + Sync,
) -> Vec<Result<Fitted, Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::scope(|scope| {
        let (toys, options, address) = (&toys, &options, &address);
        let others: Vec<_> = (1..size)
            .map(|rank| {
                scope.spawn(move || {
                    let mut world = World::join(address, rank, &meeting(size))?;
                    fit_in(&mut world, &toys(rank).job(), &options(rank), &mut |_| {})
                })
            })
            .collect();
        let mut world = World::host(&listener, &meeting(size), None).unwrap();
        let first = fit_in(&mut world, &toys(0).job(), &options(0), &mut |_| {});
        std::iter::once(first).chain(others.into_iter().map(|other| other.join().unwrap())).collect()
    })
}

fn toy(model: fn() -> fiducial_models::ModelConfig) -> Toy {
    let mut toy = Toy::new(model());
    toy.training.micro_batches = 5;
    toy.training.ema_decay = Some(0.9);
    toy.training.optimiser = OptimiserKind::Muon;
    toy.validation = toy::tensors(1200, 1000);
    toy
}

#[test]
fn the_number_of_processes_changes_no_bit() {
    for (name, model) in
        [("flow", toy::flow as fn() -> _), ("net", toy::net as fn() -> _), ("transformer", toy::transformer)]
    {
        let alone = fit(&toy(model).job(), &FitOptions::default(), &mut |_| {}).unwrap();
        for size in [2, 3, 5] {
            for (rank, fitted) in
                together(size, |_| toy(model), |_| FitOptions::default()).into_iter().enumerate()
            {
                let fitted = fitted.unwrap();
                assert!(toy::bytes(&fitted) == toy::bytes(&alone), "{name}: rank {rank} of {size}");
                for (one, other) in fitted.report.history.iter().zip(&alone.report.history) {
                    assert_eq!(
                        (one.train_loss, one.validation_loss, one.validation_accuracy),
                        (other.train_loss, other.validation_loss, other.validation_accuracy),
                        "{name}: rank {rank} of {size}"
                    );
                }
            }
        }
    }
}

fn with_checkpoints(directory: &Path, rank: usize, faults: Faults) -> FitOptions {
    FitOptions {
        // The others are told of one of their own, and must not use it.
        checkpoints: Some(if rank == 0 { directory.to_path_buf() } else { "/nowhere".into() }),
        checkpoint_every: Duration::ZERO,
        log: Some(if rank == 0 { directory.join("log.jsonl") } else { "/nowhere".into() }),
        faults,
        ..FitOptions::default()
    }
}

#[test]
fn an_interrupted_training_goes_on_in_another_number_of_processes() {
    let alone = fit(&toy(toy::net).job(), &FitOptions::default(), &mut |_| {}).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (size, steps) in [(2, 7), (3, 6), (1, usize::MAX)] {
        let results = together(
            size,
            |_| toy(toy::net),
            |rank| {
                let done = std::sync::atomic::AtomicUsize::new(0);
                let faults = Faults::new(move |point| {
                    let step = point == "step" && rank == 0;
                    match step && done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1 > steps {
                        true => Err(std::io::Error::other("fault")),
                        false => Ok(()),
                    }
                });
                with_checkpoints(dir.path(), rank, faults)
            },
        );
        for (rank, result) in results.into_iter().enumerate() {
            match result {
                Ok(fitted) => assert!(size == 1 && toy::bytes(&fitted) == toy::bytes(&alone)),
                Err(Error::Io { .. }) => assert_eq!(rank, 0),
                // The others are told why.
                Err(error) => {
                    let text = error.to_string();
                    assert!(rank > 0 && text.contains("rank 0 gave up: it failed to take"), "{text}");
                }
            }
        }
    }
}

#[test]
fn a_process_of_another_training_or_with_a_bad_row_is_named() {
    let check = |other: fn() -> Toy, message: &str| {
        let toys = |rank: usize| if rank == 2 { other() } else { toy(toy::flow) };
        let results = together(3, toys, |_| FitOptions::default());
        for (rank, result) in results.into_iter().enumerate() {
            let error = result.unwrap_err().to_string();
            assert!(rank == 2 || error.contains("rank 2") && error.contains(message), "rank {rank}: {error}");
        }
    };
    let other_seed = || {
        let mut toy = toy(toy::flow);
        toy.training.seed = 8;
        toy
    };
    check(other_seed, "has another recipe, other data or another version of the program");

    // All have the row; the one whose part it is in names it, and so do the others.
    let poisoned = |_| {
        let mut toy = toy(toy::flow);
        toy::poison(&mut toy.train, 77);
        toy
    };
    for result in together(3, poisoned, |_| FitOptions::default()) {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("scores that are not finite come from row ids 77"), "{error}");
    }
}

#[test]
fn there_must_be_a_part_for_each_process() {
    let toys = |_| Toy::new(toy::flow());
    for result in together(2, toys, |_| FitOptions::default()) {
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("training.micro_batches = 1: processes share the parts of a batch"),
            "{error}"
        );
    }
}
