//! Each loss of a recipe learns, is honest about what it promises, honours weights, and goes on after a stop.
#![allow(clippy::unwrap_used, clippy::panic)] // the helpers of tests are tests too
mod toy;

use std::fs;
use std::path::Path;
use std::time::Duration;

use fiducial_data::batches::{Tensors, tensors};
use fiducial_data::dataset::Dataset;
use fiducial_data::view::View;
use fiducial_metrics::{Bootstrap, Residuals};
use fiducial_models::{Decorrelation, Loss, Truth};
use fiducial_train::{Error, Faults, FitOptions, Recipe, SavedModel, train};

const VIEW: &str = r#"
format = "fiducial-view/1"
[splits]
fractions = { train = 0.6, validation = 0.2, test = 0.2 }
seed = 1
[new_variables]
half_mass = "0.5 * mass"
hypothesis = "2.0 + 0 * x"
[inputs.globals]
standardise = "measure"
variables = ["x", "y"]
[inputs.parameters]
variables = [{ name = "mu", center = 2.0, scale = 1.0 }]
[labels]
classes = { qcd = "label == 0", top = "label == 1" }
[targets]
energy = "energy"
height = "10 * y"
[weights]
event = "weight"
"#;

/// Events: an energy of 50 + 20 x with a spread that grows with x, a mass that follows x, a label that x and y tell, and a
/// parameter that means something to the tops alone. Every third event has no weight and the energy of -x.
fn events(rows: usize) -> String {
    let mut uniform = toy::uniforms(7);
    let mut text = "x,y,energy,mass,mu,label,weight,one\n".to_owned();
    for row in 0..rows {
        let mut gauss = || (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        let (x, noise, blur, smear) = (0.6 * gauss(), gauss(), gauss(), gauss());
        let y = 0.6 * gauss();
        let sign = if row % 3 == 0 { -1.0 } else { 1.0 };
        let energy = 50.0 + 20.0 * sign * x + (1.0 + 2.0 * (1.0 + x).max(0.0)) * noise;
        let label = usize::from(x + y + 0.4 * smear > 0.0);
        let mu = if label == 1 { 1 + row % 3 } else { 0 };
        let (mass, weight) = (80.0 + 30.0 * x + 5.0 * blur, f64::from(u8::from(row % 3 != 0)));
        text.push_str(&format!("{x:.5},{y:.5},{energy:.4},{mass:.4},{mu},{label},{weight},1\n"));
    }
    text
}

struct Bench {
    directory: tempfile::TempDir,
    view: View,
    dataset: Dataset,
    checkpoint_every: Duration,
}

impl Bench {
    fn new(view: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let view = View::parse(view).unwrap();
        let whole = View::parse(&VIEW.replace("[weights]", "[columns]\none = {}\n[weights]")).unwrap();
        let dataset = toy::prepared(&whole, &events(9000), directory.path());
        Self { directory, view, dataset, checkpoint_every: Duration::from_secs(30) }
    }

    fn recipe(text: &str, loss: &str) -> Result<Recipe, Error> {
        let training = match text.contains("boosted") {
            true => "epochs = 60\nlearning_rate = 0.1",
            false => "epochs = 12\nbatch_size = 256\nlearning_rate = 4e-3",
        };
        let text =
            format!("format = \"fiducial-recipe/1\"\n[model]\n{text}\n{loss}\n[training]\n{training}\n");
        Recipe::parse(&text, Path::new("losses.toml"))
    }

    fn try_train(&self, model: &str, loss: &str, out: &str, faults: Faults) -> Result<SavedModel, Error> {
        let options = FitOptions { faults, checkpoint_every: self.checkpoint_every, ..FitOptions::default() };
        let out = self.directory.path().join(out);
        train(&Self::recipe(model, loss)?, &self.view, &self.dataset, out, &options, &mut |_| {})
    }

    fn train(&self, model: &str, loss: &str, out: &str) -> SavedModel {
        let saved = self.try_train(model, loss, out, Faults::default()).unwrap();
        let back = SavedModel::load(self.directory.path().join(out)).unwrap();
        assert_eq!(back.info, saved.info);
        back
    }

    fn test(&self, saved: &SavedModel) -> Tensors {
        tensors(&self.view, &saved.standardisation, &self.dataset, "test").unwrap()
    }

    /// The column of a prediction, and the rows that have a weight.
    fn predicted(&self, saved: &SavedModel, name: &str) -> Vec<f64> {
        let names = saved.prediction_names();
        let column = names.iter().position(|found| found == name).unwrap_or_else(|| panic!("{names:?}"));
        let all = saved.predict(&self.test(saved)).unwrap();
        all.iter().skip(column).step_by(names.len()).copied().collect()
    }
}

const PERCEPTRON: &str = "kind = \"multilayer-perceptron\"\nhidden = [32, 32]";
const TREES: &str = "kind = \"boosted-trees\"\nmax_depth = 4";

/// Without the second target, for trees.
fn one_target() -> String {
    VIEW.replace("height = \"10 * y\"\n", "")
}

fn value(estimate: fiducial_metrics::Estimate) -> f64 {
    estimate.value.unwrap()
}

const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 20, seed: 0 };

/// The residuals of a prediction of the energy, with the weights of the rows.
fn residuals(bench: &Bench, saved: &SavedModel, name: &str) -> Residuals {
    let test = bench.test(saved);
    let each = bench.view.targets().len();
    let truth = test.targets.iter().step_by(each).map(|target| f64::from(*target));
    let found: Vec<f64> =
        bench.predicted(saved, name).iter().zip(truth).map(|(found, truth)| found - truth).collect();
    let weights: Vec<f64> = test.weights.iter().map(|weight| f64::from(*weight)).collect();
    Residuals::new(&found, Some(&weights)).unwrap()
}

/// What a constant has: the spread of the energies, of which 20 x makes 12.
const TRIVIAL: f64 = 12.4;

#[test]
fn numbers_are_found_in_their_units() {
    let (two, one) = (Bench::new(VIEW), Bench::new(&one_target()));
    let check = |bench: &Bench, model: &str, loss: &str, name: &str, names: usize| {
        let saved = bench.train(model, &format!("[loss]\n{loss}"), &format!("{name}-{loss:.12}"));
        assert_eq!(saved.prediction_names().len(), names);
        assert!(saved.info.classes.is_empty() && saved.training.as_ref().unwrap().history.len() > 5);
        let summary = residuals(bench, &saved, name).summary(&BOOTSTRAP).unwrap();
        let (bias, resolution, rmse) = (value(summary.bias), value(summary.resolution), value(summary.rmse));
        // The spread of an energy about its mean is 3.2 on average.
        assert!(bias.abs() < 0.5 && rmse < 3.9 && rmse < 0.4 * TRIVIAL, "{loss}: {bias} {rmse}");
        assert!((2.0..3.6).contains(&resolution), "{loss}: {resolution}");
        let card =
            fs::read_to_string(bench.directory.path().join(format!("{name}-{loss:.12}/README.md"))).unwrap();
        assert!(card.contains("tabular-regression") && card.contains(name), "{card}");
    };
    check(&two, PERCEPTRON, "kind = \"squared-error\"", "predicted_energy", 2);
    check(&two, PERCEPTRON, "kind = \"huber\"\ndelta = 0.5", "predicted_energy", 2);
    check(&two, PERCEPTRON, "kind = \"quantile\"\nlevels = [0.16, 0.5, 0.84]", "quantile_0.5_energy", 6);
    check(&two, PERCEPTRON, "kind = \"gaussian\"", "mean_energy", 4);
    check(&one, TREES, "kind = \"squared-error\"", "predicted_energy", 1);
    check(&one, TREES, "kind = \"quantile\"\nlevels = [0.5]", "quantile_0.5_energy", 1);
}

#[test]
fn quantiles_cover_what_they_say_and_sigmas_are_right() {
    let bench = Bench::new(VIEW);
    let saved = bench.train(PERCEPTRON, "[loss]\nkind = \"quantile\"\nlevels = [0.16, 0.84]", "quantiles");
    for level in [0.16, 0.84] {
        let covered = value(
            residuals(&bench, &saved, &format!("quantile_{level}_energy")).coverage(&BOOTSTRAP).unwrap(),
        );
        // 1,200 events with weight: the spread of a share is 0.011.
        assert!((covered - level).abs() < 0.045, "{level}: {covered}");
    }

    let saved = bench.train(PERCEPTRON, "[loss]\nkind = \"gaussian\"", "gaussian");
    let (means, sigmas) = (bench.predicted(&saved, "mean_energy"), bench.predicted(&saved, "sigma_energy"));
    let test = bench.test(&saved);
    let x = &test.group("globals").unwrap().data;
    // Where the spread is small and where it is large.
    for side in [-1.0_f32, 1.0] {
        let rows: Vec<usize> =
            (0..test.rows()).filter(|row| side * x[2 * row] > 0.0 && test.weights[*row] > 0.0).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / rows.len() as f64;
        let pull = |row: &usize| ((f64::from(test.targets[2 * row]) - means[*row]) / sigmas[*row]).powi(2);
        let width = mean(&mut rows.iter().map(pull)).sqrt();
        assert!((width - 1.0).abs() < 0.15, "{side}: {width}");
        let sigma = mean(&mut rows.iter().map(|row| sigmas[*row]));
        assert!((sigma - if side < 0.0 { 2.1 } else { 4.0 }).abs() < 0.5, "{side}: {sigma}");
    }
}

#[test]
fn weights_are_honoured() {
    // With their weights the mirrored events count for nothing; with weights of 1 they spoil the slope.
    let weighted = Bench::new(VIEW);
    let unweighted = Bench::new(&VIEW.replace("event = \"weight\"", "event = \"one\""));
    let rmse = |bench: &Bench| {
        let saved = bench.train(PERCEPTRON, "[loss]\nkind = \"huber\"", "model");
        value(residuals(&weighted, &saved, "predicted_energy").summary(&BOOTSTRAP).unwrap().rmse)
    };
    let (with, without) = (rmse(&weighted), rmse(&unweighted));
    assert!(with < 3.9 && without > 1.5 * with, "{with} {without}");
}

/// The share of right classes, and how sure the model is: the mean of the higher probability.
fn classified(bench: &Bench, saved: &SavedModel) -> (f64, f64) {
    let scores = saved.predict(&bench.test(saved)).unwrap();
    let labels = bench.test(saved).labels;
    let right = scores.chunks(2).zip(&labels).filter(|(row, label)| (row[1] > row[0]) == (**label == 1));
    let sure: f64 = scores.chunks(2).map(|row| row[0].max(row[1])).sum();
    (right.count() as f64 / labels.len() as f64, sure / labels.len() as f64)
}

#[test]
fn classes_are_told_apart() {
    let bench = Bench::new(VIEW);
    let sure = |loss: &str| {
        let saved = bench.train(PERCEPTRON, loss, &format!("model-{}", loss.len()));
        assert_eq!(saved.prediction_names(), ["score_qcd", "score_top"]);
        let (accuracy, sure) = classified(&bench, &saved);
        assert!(accuracy > 0.82, "{loss}: {accuracy}");
        sure
    };
    let plain = sure("");
    // Probabilities are the share of right classes, unless targets are smoothed, or what is sure counts less.
    assert!((0.82..0.9).contains(&plain), "{plain}");
    let smoothed = sure("[loss]\nkind = \"cross-entropy\"\nlabel_smoothing = 0.2");
    let focal = sure("[loss]\nkind = \"focal\"\ngamma = 4.0");
    assert!(smoothed < plain - 0.04 && focal < plain - 0.04, "{plain} {smoothed} {focal}");
}

#[test]
fn scores_are_decorrelated() {
    let bench = Bench::new(VIEW);
    let term = |strength: f64| {
        format!(
            "[loss]\nkind = \"cross-entropy\"\n[loss.decorrelation]\ncolumn = \"half_mass\"\n\
             strength = {strength:.1}\nscore = \"top\"\namong = \"qcd\""
        )
    };
    let masses: Vec<f32> = fiducial_data::batches::quantity(&bench.view, &bench.dataset, "test", "mass")
        .unwrap()
        .into_iter()
        .map(|mass| mass as f32)
        .collect();
    let correlation = |strength: f64| {
        let saved = bench.train(PERCEPTRON, &term(strength), &format!("disco-{strength}"));
        let test = bench.test(&saved);
        let outputs = saved.model.outputs(&test).unwrap();
        let measure = Decorrelation { strength: 1.0, score: 1, among: 0 };
        let loss = Loss { decorrelation: Some(measure), ..Loss::default() };
        let Tensors { labels, weights, .. } = &test;
        let truth = Truth { labels, weights, against: &masses, ..Truth::default() };
        let (accuracy, _) = classified(&bench, &saved);
        (loss.of_batch(&outputs, 2, &truth).unwrap(), accuracy)
    };
    let ((free, all), (tied, left)) = (correlation(0.0), correlation(20.0));
    assert!(free > 0.1 && tied < 0.3 * free, "{free} {tied}");
    // What y says of the class is left.
    assert!(left > 0.55 && left < all, "{left} {all}");
}

#[test]
fn parameters_of_the_background_are_drawn() {
    let bench = Bench::new(VIEW);
    let model = "kind = \"parametrised-perceptron\"\nhidden = [32]";
    let drawn = "[parameters]\nbackground = \"qcd\"";
    // All rows tested for the same hypothesis, which the background never had.
    let view = View::parse(&VIEW.replace("name = \"mu\"", "name = \"hypothesis\"")).unwrap();
    let accuracy = |saved: &SavedModel| {
        let test = tensors(&view, &saved.standardisation, &bench.dataset, "test").unwrap();
        let scores = saved.predict(&test).unwrap();
        let right =
            scores.chunks(2).zip(&test.labels).filter(|(row, label)| (row[1] > row[0]) == (**label == 1));
        right.count() as f64 / test.rows() as f64
    };
    let (with, without) = (bench.train(model, drawn, "drawn"), bench.train(model, "", "own"));
    let (with, without) = (accuracy(&with), accuracy(&without));
    assert!(with > 0.82 && without < 0.65, "{with} {without}");
    let bytes = |out: &str| fs::read(bench.directory.path().join(out).join("model.safetensors")).unwrap();
    bench.train(model, drawn, "again");
    assert!(bytes("drawn") == bytes("again"));
}

#[test]
fn a_stop_changes_no_byte() {
    let (mut two, mut one) = (Bench::new(VIEW), Bench::new(&one_target()));
    // A checkpoint after each step.
    (two.checkpoint_every, one.checkpoint_every) = (Duration::ZERO, Duration::ZERO);
    let term = "[loss]\nkind = \"focal\"\n[loss.decorrelation]\ncolumn = \"mass\"\nstrength = 3\nscore = \"top\"\n\
                among = \"qcd\"\n";
    let parametrised = "kind = \"parametrised-perceptron\"\nhidden = [8]";
    for (name, bench, model, loss) in [
        ("gaussian", &two, PERCEPTRON, "[loss]\nkind = \"gaussian\"".to_owned()),
        ("disco", &two, parametrised, format!("{term}[parameters]\nbackground = \"qcd\"")),
        ("trees", &one, TREES, "[loss]\nkind = \"quantile\"\nlevels = [0.9]".to_owned()),
    ] {
        bench.train(model, &loss, name);
        let out = format!("{name}-stopped");
        // Three sessions end within an epoch, or after some trees; the fourth goes to the end.
        for session in 0..4 {
            let faults = if session < 3 { toy::stop_after(17) } else { Faults::default() };
            match (bench.try_train(model, &loss, &out, faults), session) {
                (Ok(_), 3) | (Err(Error::Io { .. }), 0..3) => {}
                (other, _) => panic!("{name}, session {session}: {other:?}"),
            }
        }
        let file = if name == "trees" { "trees.json" } else { "model.safetensors" };
        let bytes = |out: &str| fs::read(bench.directory.path().join(out).join(file)).unwrap();
        assert!(bytes(name) == bytes(&out), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_before_training() {
    let without = |part: &str| {
        let (start, rest) = VIEW.split_once(part).unwrap();
        let end = rest.find("\n[").unwrap();
        Bench::new(&format!("{start}{}", &rest[end..]))
    };
    let (whole, unlabelled, untargeted) = (Bench::new(VIEW), without("[labels]"), without("[targets]"));
    let check = |bench: &Bench, model: &str, loss: &str, message: &str| {
        let error = bench.try_train(model, loss, "refused", Faults::default()).unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
        assert!(!bench.directory.path().join("refused").exists());
    };
    let loss = |kind: &str| format!("[loss]\nkind = \"{kind}\"");
    let term = "[loss]\nkind = \"focal\"\n[loss.decorrelation]\ncolumn = \"mass\"\nstrength = 3\nscore = \"w\"\n\
                among = \"qcd\"\n";
    check(&unlabelled, PERCEPTRON, "", "the loss cross-entropy needs classes, and the view has no [labels]");
    check(&unlabelled, PERCEPTRON, &loss("focal"), "the loss focal needs classes");
    check(
        &untargeted,
        PERCEPTRON,
        &loss("huber"),
        "the loss huber needs targets, and the view has no [targets]",
    );
    check(&untargeted, TREES, &loss("squared-error"), "the loss squared-error needs targets");
    check(&whole, PERCEPTRON, term, "the view has no class \"w\", only qcd, top");
    check(&whole, PERCEPTRON, &term.replace("\"w\"", "\"top\"").replace("mass", "width"), "width");
    check(&whole, PERCEPTRON, "[parameters]\nbackground = \"qcd\"", "it reads no group \"parameters\"");
    check(
        &whole,
        "kind = \"parametrised-perceptron\"",
        "[parameters]\nbackground = \"w\"",
        "the view has no class \"w\"",
    );
    check(&whole, TREES, &loss("squared-error"), "they give one number, the view has 2 targets");
    check(&whole, TREES, &loss("focal"), "not by focal");
    check(&whole, TREES, "[parameters]\nbackground = \"qcd\"", "leave out [parameters]");
}
