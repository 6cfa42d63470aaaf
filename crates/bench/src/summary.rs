//! A run to what its report shows.

use fiducial_data::batches::{GroupTensor, Tensors};
use fiducial_data::dataset::{Dataset, Manifest};
use fiducial_train::TrainReport;
use fiducial_train::resources::{EnergyMethod, Resources};

use crate::protocol::DataChoice;
use crate::report::{
    ClassHistogram, CutflowStep, DataSummary, EpochValues, Explanation, Fact, Histogram, JetImage,
    MetricValue, Published, ReportData, RunSummary, SourceSummary, SplitSummary, StepResources,
    TrainingHistory,
};
use crate::{Error, Evaluation, Machine, Metric, RunRecord, Task, Versions};

const SCORE_BINS: usize = 50;
const IMAGE_BINS: usize = 40;
/// Half the side of a jet image in Δη and Δφ: jets have R = 0.8.
const IMAGE_HALF_WIDTH: f64 = 0.8;
/// The steps of a run in their order.
const STEPS: [&str; 5] = ["prepare", "train", "evaluate", "explain", "total"];

/// Everything that the report of a run shows.
pub(crate) fn report_data(
    task: &Task,
    record: &RunRecord,
    dataset: &Dataset,
    evaluation: &Evaluation,
    test: &Tensors,
    explanation: Option<Explanation>,
) -> Result<ReportData, Error> {
    let manifest = dataset.manifest();
    let classes = task.classes();
    let signal = task.signal();
    let is_reference_data = record.request.data == DataChoice::Full.name();
    Ok(ReportData {
        title: task.about.title.clone(),
        task: task.about.name.clone(),
        description: task.about.description.clone(),
        model: record.request.model.clone(),
        measured_on: format!(
            "the {} split of {}, {} jets that the training did not see",
            record.metrics.split, manifest.about.name, record.metrics.rows
        ),
        intervals: format!(
            "{:.0} % intervals: {}, {} replicas",
            100.0 * record.metrics.intervals.confidence,
            record.metrics.intervals.method,
            record.metrics.intervals.bootstrap.replicas
        ),
        signal: classes[signal].clone(),
        background: classes[1 - signal].clone(),
        metrics: metrics(task, record),
        roc_curve: Some(evaluation.roc_curve.clone()),
        scores: scores(&classes, evaluation, test),
        training: record.training.as_ref().map(training),
        images: images(&classes, test),
        explanation,
        published: published(task)?,
        is_reference_data,
        data_difference: (!is_reference_data).then(|| task.about.sample.description.clone()),
        data: data(manifest, losses(record.losses)),
        run: run(record),
    })
}

fn metrics(task: &Task, record: &RunRecord) -> Vec<MetricValue> {
    let value = |metric: &Metric| {
        let key = metric.key();
        let estimate = *record.metrics.metrics.get(&key)?;
        let counted = match metric {
            Metric::BackgroundRejection { .. } => "background jets pass the cut",
            Metric::Accuracy | Metric::RocAuc => "jets",
        };
        Some(MetricValue { key, title: metric.title(), estimate, counted: counted.to_owned() })
    };
    task.about.metrics.iter().filter_map(value).collect()
}

fn scores(classes: &[String], evaluation: &Evaluation, test: &Tensors) -> Vec<ClassHistogram> {
    let mut histograms: Vec<Histogram> =
        classes.iter().map(|_| Histogram::new(0.0, 1.0, SCORE_BINS)).collect();
    for ((score, label), weight) in evaluation.signal_scores.iter().zip(&test.labels).zip(&test.weights) {
        histograms[*label as usize].fill(*score, f64::from(*weight));
    }
    let named = classes.iter().zip(histograms);
    named.map(|(class, histogram)| ClassHistogram { class: class.clone(), histogram }).collect()
}

pub(crate) fn training(report: &TrainReport) -> TrainingHistory {
    let epochs = report.history.iter().map(|epoch| EpochValues {
        epoch: epoch.epoch,
        train_loss: epoch.train_loss,
        validation_loss: epoch.validation_loss,
        validation_accuracy: epoch.validation_accuracy,
        learning_rate: epoch.learning_rate,
    });
    TrainingHistory {
        epochs: epochs.collect(),
        best_epoch: report.best_epoch,
        ended: report.stopped.describe().to_owned(),
        parameters: report.parameters,
    }
}

/// The average jet of each class, from the groups `points` (Δη, Δφ), `vectors` (px, py, …) and `mask`; none where the view
/// lacks one of them.
fn images(classes: &[String], test: &Tensors) -> Vec<JetImage> {
    let group = |name: &str, variables: usize| {
        test.groups.iter().find(|group| group.name == name && group.variables >= variables)
    };
    let (Some(points), Some(vectors), Some(mask)) =
        (group("points", 2), group("vectors", 2), group("mask", 1))
    else {
        return Vec::new();
    };
    if points.length != vectors.length || mask.length != points.length {
        return Vec::new();
    }
    let mut images: Vec<JetImage> =
        classes.iter().map(|class| JetImage::new(class, IMAGE_HALF_WIDTH, IMAGE_BINS)).collect();
    for (row, (label, weight)) in test.labels.iter().zip(&test.weights).enumerate() {
        let image = &mut images[*label as usize];
        let weight = f64::from(*weight);
        let pt: Vec<f64> = values(vectors, row, 0)
            .zip(values(vectors, row, 1))
            .zip(values(mask, row, 0))
            .map(|((px, py), mask)| mask * px.hypot(py))
            .collect();
        let total: f64 = pt.iter().sum();
        image.add_jet(weight);
        for ((deta, dphi), pt) in values(points, row, 0).zip(values(points, row, 1)).zip(&pt) {
            if *pt > 0.0 {
                image.add_constituent(deta, dphi, weight * pt / total);
            }
        }
    }
    images
}

/// One variable of one row, over its constituents.
fn values(group: &GroupTensor, row: usize, variable: usize) -> impl Iterator<Item = f64> + '_ {
    let start = (row * group.variables + variable) * group.length;
    group.data[start..start + group.length].iter().map(|value| f64::from(*value))
}

fn published(task: &Task) -> Result<Option<Published>, Error> {
    let Some(file) = &task.about.published else { return Ok(None) };
    let path = task.folder.join(file);
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    Published::parse(&text).map(Some).map_err(|reason| Error::Task { path, reason })
}

pub(crate) fn data(manifest: &Manifest, notes: Vec<String>) -> DataSummary {
    let (rows, steps) = manifest.total_cutflow();
    let mut cutflow = vec![CutflowStep { step: "read".to_owned(), rows }];
    cutflow.extend(steps.into_iter().map(|step| CutflowStep { step: step.clause, rows: step.after }));
    DataSummary {
        name: manifest.about.name.clone(),
        description: manifest.about.description.clone(),
        version: manifest.version.clone(),
        sources: manifest
            .sources
            .iter()
            .map(|source| SourceSummary {
                file: source.file.clone(),
                rows: source.rows,
                bytes: source.bytes,
                sha256: source.sha256.clone(),
            })
            .collect(),
        splits: manifest
            .splits
            .iter()
            .map(|split| SplitSummary { name: split.name.clone(), rows: split.rows })
            .collect(),
        cutflow,
        notes,
    }
}

/// What the view cut and clipped in the test split.
fn losses(losses: crate::Losses) -> Vec<String> {
    vec![
        format!(
            "In the test split the view's length cut {} constituents off {} jets.",
            losses.truncated_constituents, losses.truncated_rows
        ),
        format!("{} of its input values were moved to the bounds of their variables.", losses.clipped_values),
    ]
}

fn run(record: &RunRecord) -> RunSummary {
    let steps = STEPS.iter().filter_map(|step| Some(used(step, record.resources.get(*step)?)));
    let mut facts = vec![
        Fact::new("model", record.request.model.clone()),
        Fact::new("seed", record.request.seed.to_string()),
    ];
    if let Some(training) = &record.training {
        facts.push(Fact::new("parameters", training.parameters.to_string()));
    }
    facts.extend(code_and_machine(&record.versions, &record.machine));
    if let Some(training) = &record.training {
        facts.push(Fact::new("sessions of the training", training.sessions.to_string()));
    }
    RunSummary {
        command: record.command.clone(),
        facts,
        steps: steps.collect(),
        energy_note: record.resources.get("total").map(|used| used.energy.note.clone()).unwrap_or_default(),
        texts: vec![
            Fact::new("recipe", record.request.recipe.clone()),
            Fact::new("view", record.request.view.clone()),
        ],
    }
}

/// What one step used.
pub(crate) fn used(step: &str, used: &Resources) -> StepResources {
    StepResources {
        step: step.to_owned(),
        wall_seconds: used.wall_seconds,
        cpu_seconds: used.cpu_seconds,
        peak_memory_bytes: used.peak_memory_bytes,
        energy_joules: used.energy.joules,
        energy_is_estimated: used.energy.method == EnergyMethod::Estimated,
    }
}

/// Which code ran, and where.
pub(crate) fn code_and_machine(versions: &Versions, machine: &Machine) -> Vec<Fact> {
    let unknown = || "unknown".to_owned();
    vec![
        Fact::new("Fiducial", versions.fiducial.clone()),
        Fact::new("commit", versions.commit.clone()),
        Fact::new("executable, sha256", versions.executable_sha256.clone().unwrap_or_else(unknown)),
        Fact::new("compiler", versions.rustc.clone()),
        Fact::new("processor", machine.processor.clone().unwrap_or_else(unknown)),
        Fact::new("threads", machine.threads.to_string()),
        Fact::new("system", machine.system.clone()),
    ]
}
