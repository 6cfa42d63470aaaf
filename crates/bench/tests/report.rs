//! The page as a whole: complete, well-formed, and without anything that would load or fail to draw.

mod report_toy;

use fiducial_bench::regression::{Bin, Binned, Variable};
use fiducial_bench::report::{
    Histogram, Plane, RegressionReport, ReportData, Status, TargetReport, render, render_regression,
};
use fiducial_metrics::Estimate;

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn toy() -> ReportData {
    report_toy::report().unwrap()
}

/// The tags that are open at the end, or the first that closes what it should not. Enough of a parser for the page: maud
/// escapes `<` in text and attributes.
fn unbalanced(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start + 1..start + rest[start..].find('>').unwrap_or(rest.len() - start - 1)];
        rest = &rest[start + 1 + tag.len()..];
        let name: String = tag.trim_start_matches('/').chars().take_while(|c| c.is_alphanumeric()).collect();
        if tag.starts_with('/') {
            if open.pop().as_deref() != Some(&name) {
                return vec![format!("</{name}> closes something else")];
            }
        } else if !tag.starts_with('!') && !["meta", "br", "link", "img"].contains(&name.as_str()) {
            open.push(name);
        }
    }
    open
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let page = render(&toy());
    assert_eq!(unbalanced(&page), Vec::<String>::new());
    for section in
        ["metrics", "roc", "scores", "training", "images", "explanation", "published", "data", "run"]
    {
        assert!(page.contains(&format!("<section id=\"{section}\"")), "section {section} is missing");
        assert!(page.contains(&format!("href=\"#{section}\"")), "no link to {section}");
    }
    for loads in ["http:", "https:", "src=", "<script", "<link", "@import", "<iframe", "<img", "<object"] {
        assert!(!page.contains(loads), "the page holds {loads}");
    }
    // url() is used for the clip paths of this page alone.
    assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    assert_eq!(page.matches("<svg class=\"chart\"").count(), 12);
    assert!(page.len() < 500_000, "{} bytes", page.len());
}

#[test]
fn the_page_says_what_was_measured() {
    let report = toy();
    let page = render(&report);
    let [value, low, high] = report.metrics[1].estimate.rounded();
    for text in [value, low, high] {
        assert!(page.contains(&text.unwrap()));
    }
    for text in [
        report.run.command.as_str(),
        &report.data.version,
        &report.data.sources[0].sha256,
        "jet_pt &gt; 550",
        "Not to be compared.",
        "ParticleNet",
        "1615 ± 93",
        "arXiv:2405.14806, table 1 (seen in the source)",
        "3 min 24 s",
        "estimated",
    ] {
        assert!(page.contains(text), "{text} is missing");
    }
}

/// No coordinate is NaN or infinite, whatever the values are.
fn check_numbers(report: &ReportData) {
    check_page(&render(report));
}

fn check_page(page: &str) {
    assert_eq!(unbalanced(page), Vec::<String>::new());
    for start in ["d=\"", "x=\"", "y=\"", "cx=\"", "cy=\"", "width=\"", "height=\"", "transform=\""] {
        for value in page.split(&format!(" {start}")).skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(!value.contains("NaN") && !value.contains("inf"), "{start}{value}\"");
        }
    }
}

#[test]
fn odd_values_leave_no_odd_coordinates() {
    check_numbers(&toy());

    let mut nothing_passes = toy();
    for point in &mut nothing_passes.roc_curve.as_mut().unwrap().points {
        (point.background_efficiency, point.low) = (0.0, 0.0);
    }
    for metric in &mut nothing_passes.metrics {
        (metric.estimate.value, metric.estimate.high) = (None, None);
    }
    check_numbers(&nothing_passes);
    assert!(render(&nothing_passes).contains("68 % lower limit"));

    let mut not_finite = toy();
    let epochs = &mut not_finite.training.as_mut().unwrap().epochs;
    (epochs[3].train_loss, epochs[4].validation_loss, epochs[5].learning_rate) =
        (f64::NAN, f64::INFINITY, f64::NAN);
    not_finite.scores[0].histogram.sums[3] = -1.0;
    not_finite.images[0].sums.fill(0.0);
    not_finite.images[1].jets = 0.0;
    check_numbers(&not_finite);

    let mut one_epoch = toy();
    one_epoch.training.as_mut().unwrap().epochs.truncate(1);
    for class in &mut one_epoch.scores {
        class.histogram.sums.fill(0.0);
        class.histogram.squares.fill(0.0);
    }
    check_numbers(&one_epoch);
}

#[test]
fn what_is_absent_is_said() {
    let mut report = toy();
    (report.roc_curve, report.training, report.published) = (None, None, None);
    report.scores.clear();
    report.images.clear();
    report.metrics.clear();
    report.data.cutflow.clear();
    report.run.steps.clear();
    let page = render(&report);
    for text in
        ["no ROC curve", "no scores", "no record of the training", "no jet images", "no published results"]
    {
        assert!(page.contains(text), "{text}");
    }
    check_numbers(&report);
}

/// Trees, and networks that read jets as a whole, have no gradients on constituents.
#[test]
fn importances_stand_without_gradients() {
    let mut report = toy();
    assert!(render(&report).contains("Integrated gradients"));
    report.explanation.as_mut().unwrap().gradients = None;
    let page = render(&report);
    assert!(page.contains("Permutation importance") && !page.contains("ntegrated gradients"));
    check_numbers(&report);
}

#[test]
fn text_is_escaped() {
    let mut report = toy();
    report.model = "<script>alert(1)</script>".to_owned();
    report.data.cutflow[0].step = "a < b && \"c\"".to_owned();
    let page = render(&report);
    assert!(!page.contains("<script"));
    assert!(page.contains("a &lt; b &amp;&amp;"));
    assert_eq!(unbalanced(&page), Vec::<String>::new());
}

#[test]
fn the_same_report_gives_the_same_page_and_survives_json() {
    let report = toy();
    let json = serde_json::to_string(&report).unwrap();
    let again: ReportData = serde_json::from_str(&json).unwrap();
    assert_eq!(render(&report), render(&again));
}

#[test]
fn published_results_name_their_source() {
    use fiducial_bench::report::Published;
    let text = include_str!("../../../benchmarks/jet-tagging/top/published.toml");
    let published = Published::parse(text).unwrap();
    assert_eq!(published.results.len(), 15);
    for result in &published.results {
        let source = &published.sources[&result.source];
        assert!(source.reference.starts_with("arXiv:"));
        assert_eq!(source.status == Status::ThirdParty, source.reference.contains("2512.17011"));
    }
    for (broken, reason) in [
        (text.replace("fiducial-published/1", "fiducial-published/9"), "format"),
        (text.replacen("source = \"2405-14806\"", "source = \"nowhere\"", 1), "not among [sources]"),
        (text.replacen("value =", "valu =", 1), "valu"),
        (text.replacen("third party", "heard of it", 1), "heard of it"),
    ] {
        let error = Published::parse(&broken).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

/// Two targets: a Gaussian one with all there is, and quantiles without a best number.
fn regression() -> RegressionReport {
    let toy = toy();
    let estimate = |value: f64| Estimate {
        value: Some(value),
        low: value - 0.1,
        high: Some(value + 0.1),
        n: 50,
        n_effective: 50.0,
    };
    let metrics = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), estimate(0.9))).collect();
    let gaussian = [
        "bias",
        "median",
        "resolution",
        "rmse",
        "response",
        "response_resolution",
        "pull_mean",
        "pull_width",
        "pull_resolution",
        "within_1_sigma",
        "within_2_sigma",
    ];
    let bin = |low: f64, keys: &[&str]| Bin {
        low,
        high: low + 1.0,
        median: low + 0.4,
        rows: 50,
        metrics: metrics(keys),
        unmeasured: None,
    };
    let binned = |variable, keys: &[&str]| Binned {
        variable,
        name: "jet <pt>".to_owned(),
        bins: (0..5).map(|place| bin(f64::from(place), keys)).collect(),
    };
    let target = |name: &str, keys: &[&str], levels: &[f64]| {
        let mut plane = Plane::new(0.0, 2.0, 20);
        let mut histogram = Histogram::new(-1.0, 1.0, 10);
        for step in 0..50 {
            let x = 0.04 * f64::from(step);
            plane.fill(x, x * x, 1.0);
            histogram.fill(x - 0.9, 1.0);
        }
        let is_known = levels.is_empty().then_some(());
        TargetReport {
            name: name.to_owned(),
            metrics: metrics(keys),
            bins: [Variable::Truth, Variable::Prediction, Variable::Sigma, Variable::Column]
                .map(|variable| binned(variable, keys))
                .to_vec(),
            against_truth: is_known.map(|()| plane),
            residuals: is_known.map(|()| histogram.clone()),
            responses: is_known.map(|()| histogram.clone()),
            pulls: is_known.map(|()| histogram),
            levels: levels.to_vec(),
            notes: vec!["No bins of the observer tag: it is a text.".to_owned()],
        }
    };
    RegressionReport {
        model: "toy".to_owned(),
        description: "A toy.".to_owned(),
        measured_on: "the test split of the toy, 250 rows".to_owned(),
        intervals: "68 % intervals".to_owned(),
        targets: vec![
            target("energy", &gaussian, &[]),
            target("mass", &["coverage_0.1", "coverage_0.9", "within_0.1_0.9", "ordered"], &[0.1, 0.9]),
        ],
        training: toy.training,
        data: toy.data,
        run: toy.run,
    }
}

#[test]
fn the_page_of_a_regression_is_whole() {
    let report = regression();
    let page = render_regression(&report);
    check_page(&page);
    for text in [
        "<section id=\"target-0\"",
        "<section id=\"target-1\"",
        "In bins of jet &lt;pt&gt;",
        "In bins of the predicted sigma of energy",
        "truth between the quantiles 0.1 and 0.9",
        "coverage 0.1 from 2 to 3: 0.90 [0.80, 1.00], 50 rows",
        "No bins of the observer tag: it is a text.",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Predicted against true, residuals, response, pulls and 6 charts in each of 4 variables; coverage with one chart in each; the training.
    assert_eq!(page.matches("<svg class=\"chart\"").count(), 4 + 6 * 4 + 1 + 4 + 3);
    // Every chart has an id of its own.
    let ids: Vec<&str> =
        page.split("<clipPath id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(render_regression(&serde_json::from_str(&json).unwrap()), page);
}

#[test]
fn odd_values_of_a_regression_leave_no_odd_coordinates() {
    let mut report = regression();
    report.training = None;
    let target = &mut report.targets[0];
    for binned in &mut target.bins {
        let bins = &mut binned.bins;
        (bins[0].low, bins[0].median, bins[0].high) = (1.0, 1.0, 1.0);
        (bins[1].metrics, bins[1].unmeasured) = (Default::default(), Some("its weights <= 0".to_owned()));
        for estimate in bins[2].metrics.values_mut() {
            *estimate = Estimate { value: None, low: f64::NAN, high: None, n: 0, n_effective: 0.0 };
        }
    }
    target.bins[1].bins.truncate(1);
    target.bins[2].bins.clear();
    if let Some(plane) = &mut target.against_truth {
        plane.sums.fill(-1.0);
    }
    for histogram in [&mut target.residuals, &mut target.responses, &mut target.pulls].into_iter().flatten() {
        histogram.sums.fill(0.0);
        histogram.squares.fill(0.0);
    }
    target.metrics.clear();
    let page = render_regression(&report);
    check_page(&page);
    assert!(page.contains("From 1 to 2: its weights &lt;= 0."), "a bin without metrics says nothing");
    assert!(page.contains("no record of the training"));
}
