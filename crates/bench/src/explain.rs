//! What the scores of a model rest on: permutation importance, and integrated gradients on constituents.

use std::collections::BTreeMap;
use std::ops::Range;

use fiducial_data::batches::{Batch, Tensors};
use fiducial_metrics::{BinaryScores, Bootstrap};
use fiducial_models::Network;
use fiducial_train::{Model, SavedModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::Error;
use crate::report::{Explanation, GradientShares, Share};

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

/// Measures the importance of each input of a model and, where a network reads features of constituents, integrates its
/// gradients, both on the first jets of a split.
pub(crate) fn explain(saved: &SavedModel, test: &Tensors, signal: usize) -> Result<Explanation, Error> {
    let (importances, importance_jets) = importances(saved, test, signal)?;
    let gradients = match &saved.model {
        Model::Network(network) if network.config().features() > 0 => {
            Some(gradients(saved, network, test, signal)?)
        }
        Model::Network(_) | Model::Trees(_) => None,
    };
    Ok(Explanation { importances, importance_jets, gradients })
}

fn gradients(
    saved: &SavedModel,
    network: &Network,
    test: &Tensors,
    signal: usize,
) -> Result<GradientShares, Error> {
    let jets = test.rows().min(GRADIENT_JETS);
    let rows: Vec<u32> = (0..jets as u32).collect();
    let inputs = fiducial_train::inputs(&test.gather(&rows), jets, network.config())?;
    let against = usize::from(signal == 0);
    let found = network
        .integrated_gradients(&inputs, [signal, against], STEPS)
        .map_err(fiducial_train::Error::from)?;

    let names = names(saved, "features");
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
    Ok(GradientShares {
        features,
        constituents: constituents.map(|(rank, sizes)| share(&(rank + 1).to_string(), sizes)).collect(),
        jets: [jets, STEPS],
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

/// The variables of a group.
fn names(saved: &SavedModel, group: &str) -> Vec<String> {
    let group = saved.view.input(group).or_else(|| saved.view.input(&format!("pf_{group}")));
    group.into_iter().flat_map(|group| &group.variables).map(|variable| variable.name.clone()).collect()
}

/// What is shuffled as one: a variable, or all variables of a group.
struct Input {
    name: String,
    group: &'static str,
    variables: Range<usize>,
}

/// Groups of which one variable without the others means nothing.
const WHOLE: [&str; 3] = ["points", "vectors", "images"];

fn inputs_of(saved: &SavedModel) -> Vec<Input> {
    let of_group = |group: &'static str| -> Vec<Input> {
        let names = names(saved, group);
        if WHOLE.contains(&group) {
            return vec![Input { name: format!("all {group}"), group, variables: 0..names.len() }];
        }
        let each = names.into_iter().enumerate();
        each.map(|(index, name)| Input { name, group, variables: index..index + 1 }).collect()
    };
    saved.model.reads(&saved.view).into_iter().flat_map(of_group).collect()
}

/// The loss of ROC AUC where an input is shuffled within a part of the jets, and [jets, parts].
fn importances(saved: &SavedModel, test: &Tensors, signal: usize) -> Result<(Vec<Share>, [usize; 2]), Error> {
    let jets = test.rows().min(IMPORTANCE_JETS);
    let rows: Vec<u32> = (0..jets as u32).collect();
    let inputs = inputs_of(saved);
    let mut losses: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    let mut parts = 0;
    for (part, rows) in rows.chunks(jets.div_ceil(PARTS).max(1)).enumerate() {
        let batch = test.gather(rows);
        let auc = |batch: &Batch| -> Result<Option<f64>, Error> {
            let scores = saved.predict_batch(batch, rows.len())?;
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

/// The batch with one input permuted (Fisher and Yates): between real constituents what is known of a constituent, between
/// jets what is known of a jet.
fn shuffled(batch: &Batch, jets: usize, input: &Input, random: &mut ChaCha8Rng) -> Batch {
    let mut batch = batch.clone();
    let place = |batch: &Batch, name: &str| {
        batch.groups.iter().position(|group| group.name.trim_start_matches("pf_") == name)
    };
    let Some(group) = place(&batch, input.group) else { return batch };
    let (length, variables) = (batch.groups[group].length, batch.groups[group].variables);
    let of_constituents = ["features", "points", "vectors"].contains(&input.group);
    let mask = place(&batch, "mask").map(|mask| &batch.groups[mask]).filter(|mask| mask.length == length);
    let is_real =
        |jet: usize, constituent: usize| mask.is_none_or(|mask| mask.data[jet * length + constituent] != 0.0);
    // Where each of what changes places starts, and how many numbers of a variable it has.
    let (starts, each): (Vec<usize>, usize) = if of_constituents {
        let cells = (0..jets).flat_map(|jet| (0..length).map(move |constituent| (jet, constituent)));
        let real = cells.filter(|(jet, constituent)| is_real(*jet, *constituent));
        (real.map(|(jet, constituent)| jet * variables * length + constituent).collect(), 1)
    } else {
        ((0..jets).map(|jet| jet * variables * length).collect(), length)
    };
    let data = &mut batch.groups[group].data;
    for last in (1..starts.len()).rev() {
        let other = random.random_range(0..=last);
        for variable in input.variables.clone() {
            for number in variable * length..variable * length + each {
                data.swap(starts[last] + number, starts[other] + number);
            }
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use fiducial_data::batches::{GroupTensor, tensors};
    use fiducial_data::prepare::{PrepareOptions, prepare_or_reuse};
    use fiducial_data::view::View;
    use fiducial_train::{FitOptions, Recipe, train};

    use super::*;

    const VIEW: &str = "format = \"fiducial-view/1\"\n\
        [splits]\nfractions = { train = 0.4, validation = 0.2, test = 0.4 }\nseed = 1\n\
        [inputs.globals]\nstandardise = \"measure\"\nvariables = [\"mass\", \"tau\", \"noise\"]\n\
        [inputs.parameters]\nvariables = [\"noise\"]\n\
        [labels]\nclasses = { background = \"label == 0\", signal = \"label == 1\" }\n";

    /// Jets whose class the mass tells nearly, tau a little, and noise not at all.
    fn jets(rows: usize) -> String {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let mut text = "mass,tau,noise,label\n".to_owned();
        for row in 0..rows {
            let [mass, tau, noise] = [(); 3].map(|()| random.random::<f64>());
            let label = row % 2;
            let shift = label as f64;
            text.push_str(&format!("{},{},{noise},{label}\n", mass + 0.6 * shift, tau + 0.2 * shift));
        }
        text
    }

    #[test]
    fn models_of_jets_as_a_whole_have_importances() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("jets.csv");
        std::fs::write(&file, jets(2500)).unwrap();
        let view = View::parse(VIEW).unwrap();
        let options = PrepareOptions::default();
        let out = directory.path().join("dataset");
        let dataset = prepare_or_reuse(&view, &[file], &out, &options, &mut |_| {}).unwrap().dataset;
        for (model, batch, names) in [
            ("kind = \"boosted-trees\"\nmax_depth = 3", "", vec!["mass", "tau", "noise"]),
            (
                "kind = \"multilayer-perceptron\"\nhidden = [16]",
                "batch_size = 50",
                vec!["mass", "tau", "noise"],
            ),
            (
                "kind = \"parametrised-perceptron\"\nhidden = [16]",
                "batch_size = 50",
                vec!["mass", "tau", "noise", "noise"],
            ),
        ] {
            let recipe = format!(
                "format = \"fiducial-recipe/1\"\n[model]\n{model}\n\
                 [training]\nepochs = 12\nlearning_rate = 0.1\n{batch}"
            );
            let recipe = Recipe::parse(&recipe, Path::new("toy.toml")).unwrap();
            let out = directory.path().join(model.split('"').nth(1).unwrap());
            let options = FitOptions::default();
            let saved = train(&recipe, &view, &dataset, out, &options, &mut |_| {}).unwrap();
            let test = tensors(&view, &saved.standardisation, &dataset, "test").unwrap();
            let found = explain(&saved, &test, 1).unwrap();
            assert_eq!((found.importance_jets[1], found.gradients), (PARTS, None));
            let order: Vec<&str> = found.importances.iter().map(|share| share.name.as_str()).collect();
            assert_eq!(order, names, "{model}: {:?}", found.importances);
            let [mass, tau, noise] = [0, 1, 2].map(|index| &found.importances[index]);
            assert!(mass.error > 0.0 && mass.value > 0.1 + 3.0 * mass.error, "{model}: {mass:?}");
            assert!(tau.error > 0.0 && tau.value > 3.0 * tau.error, "{model}: {tau:?}");
            assert!(noise.value.abs() < 0.01 + 3.0 * noise.error, "{model}: {noise:?}");
        }
    }

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
    fn what_is_known_of_a_jet_changes_places_as_a_whole() {
        // (3 jets, 2 channels, 2 pixels) and (3 jets, 2 variables).
        let images: Vec<f32> = (0..12).map(|index| index as f32).collect();
        let globals = vec![1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        let group = |name: &str, length: usize, data: &[f32]| GroupTensor {
            name: name.into(),
            variables: 2,
            length,
            data: data.to_vec(),
        };
        let batch = Batch {
            groups: vec![group("images", 2, &images), group("globals", 1, &globals)],
            labels: vec![0, 1, 0],
            targets: Vec::new(),
            weights: vec![1.0; 3],
        };
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut moved = [false; 2];
        for _ in 0..20 {
            let input = Input { name: "all images".into(), group: "images", variables: 0..2 };
            let found = shuffled(&batch, 3, &input, &mut random).groups;
            let mut whole: Vec<&[f32]> = found[0].data.chunks_exact(4).collect();
            moved[0] |= found[0].data != images;
            whole.sort_by(|a, b| a[0].total_cmp(&b[0]));
            assert_eq!((whole.concat(), &found[1].data), (images.clone(), &globals));

            let input = Input { name: "x".into(), group: "globals", variables: 0..1 };
            let found = shuffled(&batch, 3, &input, &mut random).groups;
            moved[1] |= found[1].data != globals;
            let others: Vec<f32> = found[1].data.iter().skip(1).step_by(2).copied().collect();
            assert_eq!((others, &found[0].data), (vec![10.0, 20.0, 30.0], &images));
        }
        assert_eq!(moved, [true; 2]);
    }

    #[test]
    fn a_share_is_a_mean_with_its_standard_error() {
        let found = share("x", &[1.0, 2.0, 3.0, 6.0]);
        assert_eq!(found.value, 3.0);
        // Variance 14 / 3 of four values.
        assert!((found.error - (14.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    }
}
