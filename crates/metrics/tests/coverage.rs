//! How often the 68.27 % interval holds the true value, on toys whose truth is known.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::Toy;
use fiducial_metrics::{BinaryScores, Bootstrap, Estimate, ResidualSummary, Residuals};
use rayon::prelude::*;

/// The normal distribution's cumulative function, by Simpson's rule on its density.
fn normal(x: f64) -> f64 {
    let steps = 2000;
    let width = x / f64::from(steps);
    let density = |i: i32| (-0.5 * (width * f64::from(i)).powi(2)).exp() / std::f64::consts::TAU.sqrt();
    let inner: f64 = (1..steps).map(|i| density(i) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + (density(0) + inner + density(steps)) * width / 3.0
}

/// Share of 300 toys whose interval holds `truth`; the mean of `n` besides.
fn coverage(truth: f64, measure: impl Fn(&mut Toy, &Bootstrap) -> Estimate + Sync) -> (f64, f64) {
    let toys = 300_u64;
    let outcomes: Vec<(f64, f64)> = (0..toys)
        .into_par_iter()
        .map(|seed| {
            let estimate = measure(&mut Toy::new(seed), &Bootstrap { replicas: 200, seed });
            let held = estimate.low <= truth && estimate.high.is_none_or(|high| truth <= high);
            (f64::from(u8::from(held)), estimate.n as f64)
        })
        .collect();
    let mean = |f: fn(&(f64, f64)) -> f64| outcomes.iter().map(f).sum::<f64>() / toys as f64;
    (mean(|outcome| outcome.0), mean(|outcome| outcome.1))
}

#[test]
fn intervals_of_the_auc_hold_the_truth_as_often_as_they_say() {
    // Two Gaussians of width 1 that are d apart: AUC = Phi(d / sqrt 2).
    for (n, separation, weighted) in
        [(400, 1.5, false), (400, 0.3, false), (1000, 2.5, false), (600, 1.5, true)]
    {
        let truth = normal(separation / 2.0_f64.sqrt());
        let (held, _) = coverage(truth, |toy, bootstrap| {
            let (scores, is_signal) = toy.events(n, separation);
            // Weights of mean 1/2, one in four negative, that know nothing of the score: the truth stays.
            let weights: Option<Vec<f64>> =
                weighted.then(|| (0..n).map(|_| if toy.uniform() < 0.25 { -1.0 } else { 1.0 }).collect());
            BinaryScores::new(&scores, &is_signal, weights.as_deref()).unwrap().roc_auc(bootstrap).unwrap()
        });
        // The spread of the share over 300 toys is 0.027.
        assert!((held - 0.6827).abs() < 0.08, "n = {n}, d = {separation}: coverage {held}");
    }
}

#[test]
fn intervals_of_the_rejection_hold_the_truth_about_as_often_as_they_say() {
    // At a signal efficiency of 1/2 the background efficiency is Phi(-d).
    // 66, 11, 5 and 1.3 background events pass on average.
    for separation in [1.5, 2.3, 2.6, 3.0] {
        let truth = 1.0 / normal(-separation);
        let (held, passing) = coverage(truth, |toy, bootstrap| {
            let (scores, is_signal) = toy.events(2000, separation);
            let events = BinaryScores::new(&scores, &is_signal, None).unwrap();
            events.background_rejection(0.5, bootstrap).unwrap()
        });
        assert!(
            (held - 0.6827).abs() < 0.08,
            "d = {separation}: coverage {held} with {passing} events passing"
        );
    }
}

#[test]
fn intervals_of_a_regression_hold_the_truth_as_often_as_they_say() {
    // Residuals of a Gaussian of width 2 about 0.5, with weights of mean 1/2, one in four negative.
    let rmse = (4.0_f64 + 0.25).sqrt();
    let check = |truth: f64, pick: fn(ResidualSummary) -> Estimate| {
        let (held, _) = coverage(truth, |toy, bootstrap| {
            let residuals: Vec<f64> = (0..1000).map(|_| 0.5 + 2.0 * toy.gauss()).collect();
            let weights: Vec<f64> =
                (0..1000).map(|_| if toy.uniform() < 0.25 { -1.0 } else { 1.0 }).collect();
            pick(Residuals::new(&residuals, Some(&weights)).unwrap().summary(bootstrap).unwrap())
        });
        assert!((held - 0.6827).abs() < 0.08, "{truth}: coverage {held}");
    };
    check(0.5, |summary| summary.bias);
    check(2.0, |summary| summary.resolution);
    check(rmse, |summary| summary.rmse);
}
