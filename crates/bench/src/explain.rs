//! What the scores of a model rest on: permutation importance, and integrated gradients on constituents.

use std::collections::BTreeMap;

use fiducial_data::batches::{Batch, Tensors};
use fiducial_metrics::{BinaryScores, Bootstrap};
use fiducial_models::Network;
use fiducial_train::{Model, SavedModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::report::{Explanation, Share};

/// Jets of each measurement: more would make the errors smaller than what a page shows.
const IMPORTANCE_JETS: usize = 1000;
const GRADIENT_JETS: usize = 200;
/// Parts that importances are measured in, each with a permutation of its own. Their spread gives the standard error, of
/// the jets and of the permutations together.
const PARTS: usize = 10;
/// Steps of the path that gradients are integrated along.
const STEPS: usize = 16;
/// Constituents that the report shows.
const SHOWN_CONSTITUENTS: usize = 20;
const SEED: u64 = 0;

/// Measures both on the first jets of a split; nothing for a model that reads no features of constituents, as boosted
/// trees do.
pub(crate) fn explain(
    saved: &SavedModel,
    test: &Tensors,
    signal: usize,
) -> Result<Option<Explanation>, Error> {
    match &saved.model {
        Model::Network(network) if network.config().features() > 0 => {
            explain_network(saved, network, test, signal).map(Some)
        }
        Model::Network(_) | Model::Trees(_) => Ok(None),
    }
}

fn explain_network(
    saved: &SavedModel,
    network: &Network,
    test: &Tensors,
    signal: usize,
) -> Result<Explanation, Error> {
    let (importances, importance_jets) = importances(saved, network, test, signal)?;
    let jets = test.rows().min(GRADIENT_JETS);
    let rows: Vec<u32> = (0..jets as u32).collect();
    let inputs = fiducial_train::inputs(&test.gather(&rows), jets, network.config())?;
    let against = usize::from(signal == 0);
    let found = network
        .integrated_gradients(&inputs, [signal, against], STEPS)
        .map_err(fiducial_train::Error::from)?;

    let names = feature_names(saved);
    let width = names.len();
    let mut features = vec![Vec::new(); width];
    let mut constituents: Vec<Vec<f64>> = Vec::new();
    let (mut unexplained, mut explained) = (0.0, 0.0);
    for (jet, whole) in found.differences.iter().enumerate() {
        unexplained += (found.sum(jet) - whole).abs();
        explained += whole.abs();
        let values = &found.values[found.offsets[jet] * width..found.offsets[jet + 1] * width];
        for (feature, sizes) in features.iter_mut().enumerate() {
            let column = values.iter().skip(feature).step_by(width.max(1));
            sizes.push(column.map(|value| f64::from(value.abs())).sum());
        }
        for (rank, values) in values.chunks_exact(width.max(1)).take(SHOWN_CONSTITUENTS).enumerate() {
            if rank == constituents.len() {
                constituents.push(Vec::new());
            }
            constituents[rank].push(values.iter().map(|value| f64::from(value.abs())).sum());
        }
    }
    let mut features: Vec<Share> =
        names.iter().zip(&features).map(|(name, sizes)| share(name, sizes)).collect();
    features.sort_by(|a, b| b.value.total_cmp(&a.value));
    let constituents = constituents.iter().enumerate();
    Ok(Explanation {
        importances,
        importance_jets,
        features,
        constituents: constituents.map(|(rank, sizes)| share(&(rank + 1).to_string(), sizes)).collect(),
        gradient_jets: [jets, STEPS],
        incompleteness: if explained > 0.0 { unexplained / explained } else { 0.0 },
    })
}

/// Mean and standard error.
fn share(name: &str, values: &[f64]) -> Share {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = if values.len() > 1 { (square / (n - 1.0) / n).sqrt() } else { 0.0 };
    Share { name: name.to_owned(), value: mean, error }
}

fn feature_names(saved: &SavedModel) -> Vec<String> {
    let group = saved.view.input("features").or_else(|| saved.view.input("pf_features"));
    group.into_iter().flat_map(|group| &group.variables).map(|variable| variable.name.clone()).collect()
}

/// What is shuffled as one: a feature, or all variables of another group that the network reads.
struct Input {
    name: String,
    group: &'static str,
    variables: std::ops::Range<usize>,
}

fn inputs_of(saved: &SavedModel, network: &Network) -> Vec<Input> {
    let reads = network.config().reads();
    let features = feature_names(saved).into_iter().enumerate().map(|(index, name)| Input {
        name,
        group: "features",
        variables: index..index + 1,
    });
    let groups = [("points", 2, reads.points), ("vectors", 4, reads.vectors)];
    let groups = groups.into_iter().filter(|(.., needed)| *needed).map(|(group, variables, _)| Input {
        name: format!("all {group}"),
        group,
        variables: 0..variables,
    });
    features.chain(groups).collect()
}

/// The loss of ROC AUC where an input is shuffled between all constituents of a part of the jets, and [jets, parts].
fn importances(
    saved: &SavedModel,
    network: &Network,
    test: &Tensors,
    signal: usize,
) -> Result<(Vec<Share>, [usize; 2]), Error> {
    let jets = test.rows().min(IMPORTANCE_JETS);
    let rows: Vec<u32> = (0..jets as u32).collect();
    let inputs = inputs_of(saved, network);
    let mut losses: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut parts = 0;
    for (part, rows) in rows.chunks(jets.div_ceil(PARTS).max(1)).enumerate() {
        let batch = test.gather(rows);
        let auc = |batch: &Batch| -> Result<Option<f64>, Error> {
            let scores = fiducial_train::predict_batch(network, batch, rows.len())?;
            Ok(auc(&scores, saved.info.classes.len(), batch, signal))
        };
        // A part with one class alone has no ROC curve.
        let Some(whole) = auc(&batch)? else { continue };
        parts += 1;
        for (index, input) in inputs.iter().enumerate() {
            let mut random = ChaCha8Rng::seed_from_u64(SEED);
            random.set_stream((part * inputs.len() + index) as u64);
            if let Some(left) = auc(&shuffled(&batch, rows.len(), input, &mut random))? {
                losses.entry(index).or_default().push(whole - left);
            }
        }
    }
    let mut shares: Vec<Share> =
        losses.into_iter().map(|(index, losses)| share(&inputs[index].name, &losses)).collect();
    shares.sort_by(|a, b| b.value.total_cmp(&a.value));
    Ok((shares, [jets, parts]))
}

fn auc(scores: &[f64], classes: usize, batch: &Batch, signal: usize) -> Option<f64> {
    let scores: Vec<f64> = scores.iter().skip(signal).step_by(classes.max(1)).copied().collect();
    let is_signal: Vec<bool> = batch.labels.iter().map(|label| *label as usize == signal).collect();
    let weights: Vec<f64> = batch.weights.iter().map(|weight| f64::from(*weight)).collect();
    let events = BinaryScores::new(&scores, &is_signal, Some(&weights)).ok()?;
    // The interval is not used: the spread of the parts is.
    events.roc_auc(&Bootstrap { replicas: 10, seed: SEED }).ok()?.value
}

/// The batch with one input permuted between its real constituents (Fisher and Yates).
fn shuffled(batch: &Batch, jets: usize, input: &Input, random: &mut ChaCha8Rng) -> Batch {
    let mut batch = batch.clone();
    let place = |batch: &Batch, name: &str| {
        batch.groups.iter().position(|group| group.name.trim_start_matches("pf_") == name)
    };
    let Some(group) = place(&batch, input.group) else { return batch };
    let (length, variables) = (batch.groups[group].length, batch.groups[group].variables);
    let is_real = |jet: usize, constituent: usize| match place(&batch, "mask") {
        Some(mask) => batch.groups[mask].data[jet * length + constituent] != 0.0,
        None => true,
    };
    let cells: Vec<usize> = (0..jets)
        .flat_map(|jet| (0..length).map(move |constituent| (jet, constituent)))
        .filter(|(jet, constituent)| is_real(*jet, *constituent))
        .map(|(jet, constituent)| jet * variables * length + constituent)
        .collect();
    let data = &mut batch.groups[group].data;
    for last in (1..cells.len()).rev() {
        let other = random.random_range(0..=last);
        for variable in input.variables.clone() {
            data.swap(cells[last] + variable * length, cells[other] + variable * length);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use fiducial_data::batches::GroupTensor;

    use super::*;

    #[test]
    fn shuffling_keeps_padding_and_the_other_variables() {
        let group = |name: &str, variables: usize, data: Vec<f32>| GroupTensor {
            name: name.into(),
            variables,
            length: 3,
            data,
        };
        // (2 jets, 2 variables, 3 constituents), of which the last of each jet is padding.
        let features = vec![1.0, 2.0, 0.0, 10.0, 20.0, 0.0, 3.0, 4.0, 0.0, 30.0, 40.0, 0.0];
        let mask = vec![1.0, 1.0, 0.0, 1.0, 1.0, 0.0];
        let batch = Batch {
            groups: vec![group("pf_features", 2, features.clone()), group("pf_mask", 1, mask.clone())],
            labels: vec![0, 1],
            targets: Vec::new(),
            weights: vec![1.0; 2],
        };
        let input = Input { name: "x".into(), group: "features", variables: 1..2 };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let found = (0..20).map(|_| shuffled(&batch, 2, &input, &mut random)).collect::<Vec<_>>();
        for batch in &found {
            let data = &batch.groups[0].data;
            assert_eq!([&data[0..3], &data[6..9]], [&features[0..3], &features[6..9]]);
            let mut moved = [data[3], data[4], data[9], data[10]];
            moved.sort_by(f32::total_cmp);
            assert_eq!((moved, data[5], data[11]), ([10.0, 20.0, 30.0, 40.0], 0.0, 0.0));
            assert_eq!(batch.groups[1].data, mask);
        }
        assert!(found.iter().any(|other| other.groups[0].data != features));
    }

    #[test]
    fn a_share_is_a_mean_with_its_standard_error() {
        let found = share("x", &[1.0, 2.0, 3.0, 6.0]);
        assert_eq!(found.value, 3.0);
        // Variance 14 / 3 of four values.
        assert!((found.error - (14.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    }
}
