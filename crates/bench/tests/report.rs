//! The page as a whole: complete, well-formed, and without anything that would load or fail to draw.

mod report_toy;

use fiducial_bench::report::{ReportData, Status, render};

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
    let page = render(report);
    assert_eq!(unbalanced(&page), Vec::<String>::new());
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
