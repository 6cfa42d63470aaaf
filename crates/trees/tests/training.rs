//! What is learnt, and that it is always the same.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use fiducial_trees::{Booster, Config, Error, Labelled, Objective, Table, Trainer, Validation};

/// Numbers that look random and are always the same.
fn noise(number: usize, stream: u64) -> Vec<f32> {
    let mut state = stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..number)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1_u64 << 24) as f32).mul_add(2.0, -1.0)
        })
        .collect()
}

struct Sample {
    features: Vec<f32>,
    targets: Vec<f32>,
}

/// Five features, of which two matter, one in ten is missing; the target is 1 inside of a ring that the two make.
fn ring(rows: usize, stream: u64) -> Sample {
    let mut features = noise(rows * 5, stream);
    let targets = features
        .chunks(5)
        .zip(noise(rows, stream + 100))
        .map(|(row, noise)| {
            let radius = row[1].hypot(row[3]) + 0.05 * noise;
            if (0.4..0.8).contains(&radius) { 1.0 } else { 0.0 }
        })
        .collect();
    features.iter_mut().step_by(11).for_each(|value| *value = f32::NAN);
    Sample { features, targets }
}

impl Sample {
    fn labelled(&self) -> Labelled<'_> {
        Labelled { table: Table::new(&self.features, 5).unwrap(), targets: &self.targets, weights: None }
    }
}

fn train(config: &Config, objective: Objective, data: Labelled<'_>, rounds: usize) -> Booster {
    let mut trainer = Trainer::new(config, objective, data).unwrap();
    for _ in 0..rounds {
        trainer.round();
    }
    trainer.into_booster()
}

fn accuracy(booster: &Booster, sample: &Sample) -> f64 {
    let scores = booster.predict(&sample.labelled().table).unwrap();
    let right =
        scores.iter().zip(&sample.targets).filter(|(score, target)| (**score > 0.5) == (**target > 0.5));
    right.count() as f64 / sample.targets.len() as f64
}

#[test]
fn a_ring_is_found_through_missing_values() {
    let (train_on, test_on) = (ring(8000, 1), ring(4000, 2));
    let booster = train(&Config::default(), Objective::Logistic, train_on.labelled(), 80);
    let accuracy = accuracy(&booster, &test_on);
    assert!(accuracy > 0.88, "{accuracy}");
    let best: Vec<usize> = booster.importance().iter().take(2).map(|importance| importance.feature).collect();
    assert!(best.contains(&1) && best.contains(&3), "{best:?}");
}

#[test]
fn the_loss_falls_and_the_trainer_knows_its_scores() {
    let sample = ring(3000, 3);
    let other = ring(1000, 4);
    let mut trainer = Trainer::new(&Config::default(), Objective::Logistic, sample.labelled()).unwrap();
    let mut validation = Validation::new(trainer.booster(), other.labelled()).unwrap();
    let mut last = trainer.loss();
    for _ in 0..20 {
        trainer.round();
        let loss = trainer.loss();
        assert!(loss < last, "{loss} after {last}");
        last = loss;
        validation.update(trainer.booster());
    }
    // The same from outside, in double precision.
    let booster = trainer.into_booster();
    let scores = booster.predict(&sample.labelled().table).unwrap();
    let mean: f64 = scores
        .iter()
        .zip(&sample.targets)
        .map(|(&score, &target)| {
            let score = f64::from(if target > 0.5 { score } else { 1.0 - score });
            -score.ln()
        })
        .sum::<f64>()
        / 3000.0;
    assert!((mean - last).abs() < 1e-5, "{mean} {last}");
    assert!((validation.loss() - last).abs() < 0.3, "{}", validation.loss());
    assert_eq!(validation.margins(), booster.margins(&other.labelled().table).unwrap());
}

#[test]
fn any_number_of_threads_gives_the_same_model() {
    let sample = ring(50_000, 5);
    let weights = noise(50_000, 6);
    let weights: Vec<f32> = weights.iter().map(|weight| weight + 0.7).collect();
    let data = Labelled { weights: Some(&weights), ..sample.labelled() };
    let config = Config { subsample: 0.8, colsample_bytree: 0.7, ..Config::default() };
    let run = |threads: usize| {
        let pool = rayon_pool(threads);
        pool.install(|| train(&config, Objective::Logistic, data, 5).to_json())
    };
    let one = run(1);
    assert_eq!(one, run(3));
    assert_eq!(one, run(16));
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn a_training_goes_on_where_it_stopped() {
    let sample = ring(3000, 7);
    for subsample in [1.0, 0.5] {
        let config = Config { subsample, colsample_bytree: 0.5, seed: 4, ..Config::default() };
        let whole = train(&config, Objective::Logistic, sample.labelled(), 12);
        let half = train(&config, Objective::Logistic, sample.labelled(), 5);
        let stored = Booster::from_json("half", &half.to_json()).unwrap();
        let mut trainer = Trainer::resume(&config, stored, sample.labelled()).unwrap();
        for _ in 0..7 {
            trainer.round();
        }
        assert_eq!(trainer.booster(), &whole);
        let mut cut = whole;
        cut.truncate(5);
        assert_eq!(cut, half);
    }
}

#[test]
fn a_weight_is_so_many_rows_and_a_negative_one_takes_them_away() {
    let mut sample = ring(2000, 8);
    // Few values, so that the bins are the same whatever their weights.
    sample.features.iter_mut().for_each(|value| *value = (*value * 16.0).round());
    let config = Config::default();
    let weights: Vec<f32> = (0..2000).map(|row| (row % 3) as f32).collect();
    let weighted = Labelled { weights: Some(&weights), ..sample.labelled() };
    let repeat = |extra: bool| {
        let (mut features, mut targets, mut signs) = (Vec::new(), Vec::new(), Vec::new());
        let mut push = |row: usize, sign: f32| {
            features.extend_from_slice(&sample.features[row * 5..][..5]);
            targets.push(sample.targets[row]);
            signs.push(sign);
        };
        for row in 0..2000 {
            for _ in 0..row % 3 {
                push(row, 1.0);
            }
            if extra {
                push(row, 0.5);
                push(row, -0.5);
            }
        }
        (features, targets, signs)
    };
    let scores = |booster: &Booster| booster.predict(&sample.labelled().table).unwrap();
    let expected = scores(&train(&config, Objective::Logistic, weighted, 10));
    // Whole weights as repeated rows; and with pairs of rows more that cancel.
    for extra in [false, true] {
        let (features, targets, signs) = repeat(extra);
        let data =
            Labelled { table: Table::new(&features, 5).unwrap(), targets: &targets, weights: Some(&signs) };
        for (got, expected) in scores(&train(&config, Objective::Logistic, data, 10)).iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    }
}

#[test]
fn classes_are_told_apart() {
    let features = noise(6000, 9);
    let targets: Vec<f32> =
        features.chunks(2).map(|row| ((row[0] + row[1]) * 1.5 + 1.5).floor().clamp(0.0, 2.0)).collect();
    let data = Labelled { table: Table::new(&features, 2).unwrap(), targets: &targets, weights: None };
    let booster = train(&Config { learning_rate: 0.3, ..Config::default() }, Objective::Softmax(3), data, 30);
    let scores = booster.predict(&data.table).unwrap();
    let right = scores.chunks(3).zip(&targets).filter(|(scores, target)| {
        assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        scores.iter().all(|score| *score <= scores[**target as usize])
    });
    assert!(right.count() > 2900);
}

#[test]
fn means_and_quantiles_are_fitted() {
    let features = noise(20_000, 10);
    let spread = noise(20_000, 11);
    let targets: Vec<f32> = features.iter().zip(&spread).map(|(x, noise)| 3.0 * x + noise).collect();
    let data = Labelled { table: Table::new(&features, 1).unwrap(), targets: &targets, weights: None };
    let mean = train(&Config::default(), Objective::SquaredError, data, 60);
    let high = train(&Config::default(), Objective::Quantile(0.9), data, 60);
    let (mean, high) = (mean.predict(&data.table).unwrap(), high.predict(&data.table).unwrap());
    let error = mean.iter().zip(&features).map(|(got, x)| (got - 3.0 * x).abs()).sum::<f32>() / 20_000.0;
    assert!(error < 0.1, "{error}");
    // Noise is flat in -1 to 1: nine tenths lie below 0.8.
    let error =
        high.iter().zip(&features).map(|(got, x)| (got - 3.0 * x - 0.8).abs()).sum::<f32>() / 20_000.0;
    assert!(error < 0.15, "{error}");
    let below = high.iter().zip(&targets).filter(|(high, target)| target < high).count();
    assert!((17_600..18_400).contains(&below), "{below}");
}

#[test]
fn a_missing_value_is_a_value_of_its_own() {
    // Present or not is all there is to learn.
    let features: Vec<f32> = (0..1000).map(|row| if row % 4 == 0 { f32::NAN } else { 7.0 }).collect();
    let targets: Vec<f32> = features.iter().map(|value| f32::from(u8::from(value.is_nan()))).collect();
    let data = Labelled { table: Table::new(&features, 1).unwrap(), targets: &targets, weights: None };
    let booster = train(&Config::default(), Objective::Logistic, data, 60);
    let scores = booster.predict(&Table::new(&[f32::NAN, 7.0, 1e30], 1).unwrap()).unwrap();
    assert!(scores[0] > 0.95 && scores[1] < 0.05 && scores[2] < 0.05, "{scores:?}");
    assert_eq!(Booster::from_json("again", &booster.to_json()).unwrap(), booster);
}

#[test]
fn regularisation_holds() {
    let sample = ring(2000, 12);
    let splits = |config: Config| -> usize {
        let booster = train(&config, Objective::Logistic, sample.labelled(), 5);
        booster.importance().iter().map(|importance| importance.splits).sum()
    };
    let free = splits(Config::default());
    assert!(splits(Config { gamma: 20.0, ..Config::default() }) < free / 2);
    assert!(splits(Config { min_child_weight: 100.0, ..Config::default() }) < free / 2);
    assert_eq!(splits(Config { max_depth: 1, ..Config::default() }), 5);
    assert_eq!(splits(Config { gamma: 1e9, ..Config::default() }), 0);
    let one_feature = Config { colsample_bytree: 0.2, ..Config::default() };
    let booster = train(&one_feature, Objective::Logistic, sample.labelled(), 1);
    assert_eq!(booster.importance().iter().filter(|importance| importance.splits > 0).count(), 1);
}

#[test]
fn data_that_cannot_be_learnt_from_is_refused() {
    let check = |features: &[f32], targets: &[f32], weights: Option<&[f32]>, objective, message: &str| {
        let table = Table::new(features, 1).unwrap();
        let data = Labelled { table, targets, weights };
        let error = match Trainer::new(&Config::default(), objective, data) {
            Ok(_) => panic!("{message}"),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(message), "{error} lacks {message}");
    };
    let logistic = Objective::Logistic;
    check(&[], &[], None, logistic, "no rows");
    check(&[1.0, 2.0], &[1.0], None, logistic, "2 rows, but 1 targets");
    check(&[1.0], &[1.0], Some(&[]), logistic, "1 rows, but 0 weights");
    check(&[1.0, f32::INFINITY], &[1.0, 0.0], None, logistic, "row 1, feature 0 is inf");
    check(&[1.0, 2.0], &[1.0, 2.0], None, logistic, "the target of row 1 is 2: it must lie between 0 and 1");
    check(
        &[1.0],
        &[3.0],
        None,
        Objective::Softmax(3),
        "the target of row 0 is 3: it must be a class, 0 to 2",
    );
    check(&[1.0], &[f32::NAN], None, Objective::SquaredError, "the target of row 0 is NaN");
    check(&[1.0], &[0.0], Some(&[f32::NAN]), logistic, "the weight of row 0 is NaN");
    check(&[1.0, 2.0], &[0.0, 1.0], Some(&[1.0, -1.0]), logistic, "the weights sum to 0");
    check(&[1.0], &[0.0], None, Objective::Quantile(1.0), "Quantile(1.0)");
    check(&[1.0], &[0.0], None, Objective::Softmax(1), "Softmax(1)");
    assert!(matches!(Table::new(&[1.0; 3], 2), Err(Error::Data(_))));
    let sample = ring(100, 1);
    let booster = train(&Config::default(), logistic, sample.labelled(), 1);
    let error = booster.predict(&Table::new(&[1.0; 4], 4).unwrap()).unwrap_err().to_string();
    assert!(error.contains("rows of 4 features, the model has 5"), "{error}");
}

#[test]
fn rows_that_are_all_alike_make_one_leaf() {
    let targets: Vec<f32> = (0..100).map(|row| (row % 2) as f32).collect();
    for value in [1.0, f32::NAN] {
        let features = [value; 100];
        let data = Labelled { table: Table::new(&features, 1).unwrap(), targets: &targets, weights: None };
        let booster = train(&Config::default(), Objective::Logistic, data, 3);
        assert!(booster.importance().is_empty());
        assert_eq!(booster.predict(&data.table).unwrap(), vec![0.5; 100]);
    }
}
