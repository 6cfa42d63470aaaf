//! What must hold for any events, and what must be refused.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::Toy;
use fiducial_metrics::{BinaryScores, Bootstrap, ClassScores, Error, Estimate};
use proptest::prelude::*;

const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 20, seed: 1 };

/// Scores on a coarse grid (many ties), truth, and weights of either sign whose totals are positive.
fn events() -> impl Strategy<Value = (Vec<f64>, Vec<bool>, Vec<f64>)> {
    prop::collection::vec((-20_i8..20, any::<bool>(), -0.3..1.0_f64), 20..200)
        .prop_map(|rows| {
            let scores = rows.iter().map(|row| f64::from(row.0) / 4.0).collect();
            let truth = rows.iter().map(|row| row.1).collect();
            (scores, truth, rows.iter().map(|row| row.2).collect())
        })
        .prop_filter("a class without weight", |(_, truth, weights): &(Vec<f64>, Vec<bool>, Vec<f64>)| {
            [true, false].iter().all(|class| {
                let of_class = truth.iter().zip(weights).filter(|(signal, _)| *signal == class);
                of_class.map(|(_, weight)| weight).sum::<f64>() > 1.0
            })
        })
}

fn auc(scores: &[f64], truth: &[bool], weights: &[f64]) -> f64 {
    let events = BinaryScores::new(scores, truth, Some(weights)).unwrap();
    let query = Bootstrap { replicas: 10, seed: 0 };
    // A few events of large weight may leave most replicas empty; the value itself is what is compared here.
    events.roc_auc(&query).map_or(f64::NAN, |estimate| estimate.value.unwrap())
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-10 * (1.0 + a.abs())
}

proptest! {
    #[test]
    fn auc_ignores_monotone_maps((scores, truth, weights) in events()) {
        let mapped: Vec<f64> = scores.iter().map(|score| score.exp() + 3.0 * score).collect();
        prop_assert!(close(auc(&scores, &truth, &weights), auc(&mapped, &truth, &weights)));
    }

    #[test]
    fn auc_of_turned_scores_is_the_complement((scores, truth, weights) in events()) {
        let turned: Vec<f64> = scores.iter().map(|score| -score).collect();
        prop_assert!(close(auc(&scores, &truth, &weights), 1.0 - auc(&turned, &truth, &weights)));
    }

    #[test]
    fn auc_is_the_share_of_ordered_pairs((scores, truth, weights) in events()) {
        let (mut ordered, mut all) = (0.0, 0.0);
        for (i, _) in truth.iter().enumerate().filter(|(_, signal)| **signal) {
            for (j, _) in truth.iter().enumerate().filter(|(_, signal)| !**signal) {
                let pair = weights[i] * weights[j];
                all += pair;
                ordered += if scores[i] > scores[j] { pair } else if scores[i] == scores[j] { 0.5 * pair } else { 0.0 };
            }
        }
        let value = auc(&scores, &truth, &weights);
        prop_assert!(value.is_nan() || close(value, ordered / all));
    }

    #[test]
    fn a_common_factor_of_the_weights_changes_nothing((scores, truth, weights) in events()) {
        let scaled: Vec<f64> = weights.iter().map(|weight| 8.0 * weight).collect();
        let summary = |weights: &[f64]| {
            BinaryScores::new(&scores, &truth, Some(weights)).unwrap().summary(0.0, &[0.3, 0.5], 10, &BOOTSTRAP)
        };
        prop_assert_eq!(summary(&weights), summary(&scaled));
    }

    #[test]
    fn an_event_twice_is_an_event_of_weight_two((scores, truth, _) in events()) {
        let twice = |i: &usize| i.is_multiple_of(3);
        let weights: Vec<f64> = (0..scores.len()).map(|i| if twice(&i) { 2.0 } else { 1.0 }).collect();
        let doubles: Vec<usize> = (0..scores.len()).chain((0..scores.len()).filter(twice)).collect();
        let weighted = BinaryScores::new(&scores, &truth, Some(&weights)).unwrap();
        let copied = BinaryScores::new(
            &doubles.iter().map(|&i| scores[i]).collect::<Vec<_>>(),
            &doubles.iter().map(|&i| truth[i]).collect::<Vec<_>>(),
            None,
        ).unwrap();
        let value = |estimate: Estimate| estimate.value.unwrap_or(f64::NAN);
        let (a, b) = (weighted.summary(0.0, &[0.3], 4, &BOOTSTRAP), copied.summary(0.0, &[0.3], 4, &BOOTSTRAP));
        if let (Ok(a), Ok(b)) = (a, b) {
            prop_assert!(close(value(a.roc_auc), value(b.roc_auc)));
            prop_assert!(close(value(a.accuracy), value(b.accuracy)));
            let rejection = |summary: &fiducial_metrics::Summary| summary.working_points[0].background_rejection.value;
            prop_assert_eq!(rejection(&a).is_some(), rejection(&b).is_some());
            prop_assert!(close(rejection(&a).unwrap_or(f64::NAN), rejection(&b).unwrap_or(f64::NAN)));
        }
    }

    #[test]
    fn two_classes_are_a_special_case_of_several((scores, truth, weights) in events()) {
        // Score of class 1 and its complement: the highest score is that of class 1 where it is above 1/2.
        let rows: Vec<f64> = scores.iter().flat_map(|score| [5.0 - score, 5.0 + score]).collect();
        let labels: Vec<u32> = truth.iter().map(|&signal| u32::from(signal)).collect();
        let several = ClassScores::new(&rows, 2, &labels, Some(&weights)).unwrap();
        let binary = several.one_vs_rest(1).unwrap();
        if let Ok(estimate) = binary.roc_auc(&BOOTSTRAP) {
            prop_assert!(close(estimate.value.unwrap(), auc(&scores, &truth, &weights)));
            prop_assert!(close(several.roc_auc_macro(&BOOTSTRAP).unwrap().value.unwrap(), estimate.value.unwrap()));
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (scores, truth) = Toy::new(5).events(3000, 1.5);
    let summary = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            BinaryScores::new(&scores, &truth, None).unwrap().summary(
                0.7,
                &[0.3, 0.5],
                50,
                &Bootstrap::default(),
            )
        })
    };
    assert_eq!(summary(1), summary(2));
    assert_eq!(summary(1), summary(7));
}

#[test]
fn a_rejection_without_background_is_a_limit() {
    // 100 signal events above 100 background events, but for `above` background events on top.
    for (above, value) in [(0, None), (1, Some(100.0)), (4, Some(25.0))] {
        let scores: Vec<f64> = (0..200)
            .map(|i| if i < 100 { 10.0 } else if i < 100 + above { 20.0 } else { 0.0 } + f64::from(i) / 1000.0)
            .collect();
        let truth: Vec<bool> = (0..200).map(|i| i < 100).collect();
        let events = BinaryScores::new(&scores, &truth, None).unwrap();
        let rejection = events.background_rejection(0.5, &Bootstrap::default()).unwrap();
        assert_eq!((rejection.value, rejection.n), (value, u64::try_from(above).unwrap()));
        match above {
            // 100 / -ln(1 - 0.6827)
            0 => assert!((rejection.low - 87.12).abs() < 0.01 && rejection.high.is_none(), "{rejection}"),
            // One event is none in a third of the replicas: no upper bound.
            1 => assert!(rejection.low < 60.0 && rejection.high.is_none(), "{rejection}"),
            _ => {
                assert!(
                    rejection.low < 20.0 && rejection.high.is_some_and(|high| high > 40.0),
                    "{rejection}"
                );
            }
        }
        let json = serde_json::to_string(&rejection).unwrap();
        assert_eq!(serde_json::from_str::<Estimate>(&json).unwrap(), rejection);
    }
}

#[test]
fn the_tightest_cut_that_keeps_the_signal_counts() {
    // S B S B S B S B S B: 50 % of ten signal events are reached by the fifth, before the fifth background event.
    let scores: Vec<f64> = (0..20).rev().map(f64::from).collect();
    let truth: Vec<bool> = (0..20).map(|i| i % 2 == 0).collect();
    let events = BinaryScores::new(&scores, &truth, None).unwrap();
    for (efficiency, passing) in [(0.1, 0.0), (0.3, 2.0), (0.5, 4.0), (0.7, 6.0), (0.71, 7.0), (1.0, 9.0)] {
        let rejection = events.background_rejection(efficiency, &BOOTSTRAP).unwrap();
        assert_eq!(rejection.value, (passing > 0.0).then(|| 1.0 / (passing / 10.0)), "at {efficiency}");
        assert_eq!(rejection.n as f64, passing);
    }
    for (efficiency, expected) in [(0.05, 0.1), (0.1, 0.2), (0.3, 0.4), (1.0, 1.0)] {
        assert_eq!(events.signal_efficiency(efficiency, &BOOTSTRAP).unwrap().value, Some(expected));
    }
}

#[test]
fn refuses_what_has_no_answer() {
    let not_finite = |what, index, value| Error::NotFinite { what, index, value };
    let length = |what, expected, found| Error::LengthMismatch { what, expected, found };
    let check = |scores: &[f64], truth: &[bool], weights: Option<&[f64]>, expected: Error| {
        let error = BinaryScores::new(scores, truth, weights).unwrap_err();
        assert_eq!(error.to_string(), expected.to_string());
    };
    let infinity = f64::INFINITY;
    check(&[], &[], None, Error::Empty);
    check(&[1.0, f64::NAN], &[true, false], None, not_finite("score", 1, f64::NAN));
    check(&[infinity, 1.0], &[true, false], None, not_finite("score", 0, infinity));
    check(&[1.0, 2.0], &[true, false], Some(&[1.0, f64::NAN]), not_finite("weight", 1, f64::NAN));
    check(&[1.0, 2.0], &[true], None, length("truth labels", 2, 1));
    check(&[1.0, 2.0], &[true, false], Some(&[1.0]), length("weights", 2, 1));
    check(&[1.0, 2.0], &[true, true], None, Error::OneClass { present: "signal" });
    check(&[1.0, 2.0], &[false, false], None, Error::OneClass { present: "background" });
    let total = |which, total| Error::TotalWeight { which, total };
    check(&[1.0, 2.0, 3.0], &[true, false, false], Some(&[1.0, 1.0, -1.5]), total("background", -0.5));
    check(&[1.0, 2.0, 3.0], &[true, false, false], Some(&[0.0, 1.0, 1.0]), total("signal", 0.0));

    let check = |scores: &[f64], classes, labels: &[u32], expected: Error| {
        assert_eq!(ClassScores::new(scores, classes, labels, None).unwrap_err(), expected);
    };
    check(&[1.0], 1, &[0], Error::TooFew { what: "classes", value: 1, minimum: 2 });
    check(&[1.0, 2.0, 3.0], 2, &[0, 1], length("scores", 4, 3));
    check(&[1.0, 2.0], 2, &[2], Error::Label { index: 0, label: 2, classes: 2 });
    check(&[0.0, 1.0, infinity, 1.0], 2, &[0, 1], not_finite("score", 1, infinity));

    let events = BinaryScores::new(&[1.0, 2.0], &[false, true], None).unwrap();
    assert_eq!(events.background_rejection(0.0, &BOOTSTRAP), Err(Error::Efficiency { value: 0.0 }));
    assert_eq!(events.signal_efficiency(1.1, &BOOTSTRAP), Err(Error::Efficiency { value: 1.1 }));
    assert!(matches!(events.roc_auc(&BOOTSTRAP), Err(Error::UnstableBootstrap { replicas: 20, .. })));
    assert!(events.roc_auc(&Bootstrap { replicas: 1, seed: 0 }).is_err());
    assert!(events.roc_curve(1, &BOOTSTRAP).is_err());
    assert!(events.accuracy(f64::NAN, &BOOTSTRAP).is_err());
}
