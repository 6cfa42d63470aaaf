//! An interrupted training ends in the same bytes as an unbroken one.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fiducial_models::OptimiserKind;
use fiducial_train::{Error, Faults, FitOptions, Fitted, Stopped, fit};

mod toy;
use toy::Toy;

fn options(directory: &Path) -> FitOptions {
    FitOptions {
        checkpoints: Some(directory.to_path_buf()),
        // A checkpoint after each step, so that steps within an epoch are resumed too.
        checkpoint_every: Duration::ZERO,
        log: Some(directory.join("log.jsonl")),
        log_every: 3,
        ..FitOptions::default()
    }
}

/// The lines of a log without what depends on the machine's speed.
fn log(directory: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(directory.join("log.jsonl")).unwrap();
    let clocks = ["seconds", "jets_per_second", "cpu_seconds", "joules", "peak_memory_bytes"];
    let mut lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &mut lines {
        clocks.iter().for_each(|key| drop(line.as_object_mut().unwrap().remove(*key)));
    }
    lines
}

fn unbroken(toy: &Toy) -> Fitted {
    fit(&toy.job(), &FitOptions::default(), &mut |_| {}).unwrap()
}

fn same(toy: &Toy, resumed: &Fitted, expected: &Fitted, what: &str) {
    assert!(toy::bytes(resumed) == toy::bytes(expected), "{what}: other weights");
    let numbers = |fitted: &Fitted| -> Vec<_> {
        fitted
            .report
            .history
            .iter()
            .map(|epoch| {
                (epoch.train_loss, epoch.validation_loss, epoch.validation_accuracy, epoch.learning_rate)
            })
            .collect()
    };
    assert_eq!(numbers(resumed), numbers(expected), "{what}");
    assert_eq!(resumed.report.best_epoch, expected.report.best_epoch, "{what}");
    assert_eq!(resumed.report.history.len(), toy.training.epochs, "{what}");
}

#[test]
fn a_fault_anywhere_changes_nothing() {
    for (name, model) in [("flow", toy::flow()), ("net", toy::net()), ("transformer", toy::transformer())] {
        let mut toy = Toy::new(model);
        toy.training.micro_batches = 3;
        toy.training.ema_decay = (name != "flow").then_some(0.9);
        toy.training.optimiser = if name == "net" { OptimiserKind::Ranger } else { OptimiserKind::Muon };
        let expected = unbroken(&toy);
        let whole = tempfile::tempdir().unwrap();
        same(&toy, &fit(&toy.job(), &options(whole.path()), &mut |_| {}).unwrap(), &expected, name);
        // The start, each third of 20 steps, each epoch.
        assert_eq!(log(whole.path()).len(), 1 + 6 + 4);
        // 4 epochs of 5 steps. Each run fails at the n-th time that it comes to a point; the next one starts there.
        for point in ["step", "write weights", "rename optimiser", "sync best", "rename manifest", "clean"] {
            // The best weights are written when the validation loss improves: for certain once, after the first epoch.
            let times: &[usize] = if point == "sync best" { &[1] } else { &[1, 2, 4] };
            for &nth in times {
                let dir = tempfile::tempdir().unwrap();
                let mut failures = 0;
                let fitted = loop {
                    let count = Arc::new(AtomicUsize::new(0));
                    let faults = Faults::new(move |at| {
                        let hit = at == point && count.fetch_add(1, Ordering::Relaxed) + 1 == nth;
                        if hit && failures < 9 { Err(std::io::Error::other("fault")) } else { Ok(()) }
                    });
                    match fit(&toy.job(), &FitOptions { faults, ..options(dir.path()) }, &mut |_| {}) {
                        Ok(fitted) => break fitted,
                        Err(Error::Io { .. }) => failures += 1,
                        Err(other) => panic!("{other}"),
                    }
                };
                assert!(failures > 0, "{name} never came to {point} {nth}");
                same(&toy, &fitted, &expected, &format!("{name}, {point} {nth}"));
                assert_eq!(log(dir.path()), log(whole.path()), "{name}, {point} {nth}: the log");
            }
        }
    }
}

#[test]
fn a_finished_training_is_not_begun_again() {
    let toy = Toy::new(toy::flow());
    let dir = tempfile::tempdir().unwrap();
    let fitted = fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap();
    let again = fit(&toy.job(), &options(dir.path()), &mut |_| panic!("a step")).unwrap();
    same(&toy, &again, &fitted, "again");
    assert_eq!(again.report.sessions, fitted.report.sessions);
    assert_eq!(again.report.stopped, Stopped::Completed);
}

const CHILD: &str = "FIDUCIAL_TRAIN_TEST_DIRECTORY";

/// Not a test by itself: what the next one starts and kills.
#[test]
#[ignore = "started by a_killed_process_goes_on_to_the_same_bytes"]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let directory = Path::new(&directory);
    let toy = killed_toy();
    let fitted = fit(&toy.job(), &options(directory), &mut |_| {}).unwrap();
    std::fs::write(directory.join("result"), toy::bytes(&fitted)).unwrap();
    std::fs::rename(directory.join("result"), directory.join("done")).unwrap();
}

fn killed_toy() -> Toy {
    let mut toy = Toy::new(toy::net());
    toy.training.epochs = 12;
    toy
}

#[test]
fn a_killed_process_goes_on_to_the_same_bytes() {
    let toy = killed_toy();
    let expected = unbroken(&toy);
    let dir = tempfile::tempdir().unwrap();
    let done = dir.path().join("done");
    let mut kills = 0;
    for attempt in 0_u64.. {
        assert!(attempt < 500, "it gets nowhere");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Each time a little longer, so that the kill comes at ever other moments.
        std::thread::sleep(Duration::from_millis(20 + 7 * attempt));
        let ended = child.try_wait().unwrap().is_some();
        if !ended {
            child.kill().unwrap(); // SIGKILL
            kills += 1;
        }
        let status = child.wait().unwrap();
        assert!(!ended || status.success(), "the training failed: {status}");
        if done.exists() {
            break;
        }
    }
    assert!(kills > 0);
    assert!(std::fs::read(done).unwrap() == toy::bytes(&expected), "after {kills} kills");
}

#[test]
fn a_time_limit_stops_at_an_epochs_end_and_can_be_raised() {
    let mut toy = Toy::new(toy::flow());
    let expected = unbroken(&toy);
    let dir = tempfile::tempdir().unwrap();
    toy.training.max_minutes = Some(1e-9);
    let fitted = fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap();
    assert_eq!((fitted.report.stopped, fitted.report.history.len()), (Stopped::TimeLimit, 1));
    let again = fit(&toy.job(), &options(dir.path()), &mut |_| panic!("a step")).unwrap();
    assert_eq!((again.report.stopped, again.report.history.len()), (Stopped::TimeLimit, 1));
    toy.training.max_minutes = Some(60.0);
    let fitted = fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap();
    assert_eq!(fitted.report.stopped, Stopped::Completed);
    same(&toy, &fitted, &expected, "raised limit");
}

#[test]
fn another_training_is_refused_or_begun_afresh() {
    let toy = Toy::new(toy::flow());
    let dir = tempfile::tempdir().unwrap();
    fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap();

    let mut other_seed = Toy::new(toy::flow());
    other_seed.training.seed = 8;
    let other_model = Toy::new(toy::net());
    let mut other_data = Toy::new(toy::flow());
    other_data.validation.weights[3] = 0.25;
    for (other, what) in [
        (&other_seed, "another configuration"),
        (&other_model, "another configuration"),
        (&other_data, "other data"),
    ] {
        let error = fit(&other.job(), &options(dir.path()), &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("checkpoint.toml: it was written with") && error.contains(what), "{error}");
    }
}

#[test]
fn a_log_that_is_shorter_than_its_checkpoint_says_is_damaged() {
    let toy = Toy::new(toy::flow());
    let dir = tempfile::tempdir().unwrap();
    fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap();
    std::fs::write(dir.path().join("log.jsonl"), "{}\n").unwrap();
    let error = fit(&toy.job(), &options(dir.path()), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("log.jsonl: it has 3 bytes, where the checkpoint says"), "{error}");
}
