//! Models that other programs trained.
use std::path::Path;

use fiducial_data::batches::Standardisation;
use fiducial_data::view::{Scaling, View};
use fiducial_models::Loss;
use fiducial_models::import::{Hints, StateDict, from_weaver};

use crate::saved_model::check_view;
use crate::{Error, MODEL_FORMAT, Model, ModelInfo, SavedModel, files};

/// A model of the weights in a `.pt` file that weaver wrote, and of the view that fed them.
///
/// # Errors
/// As [`StateDict::open`] and [`from_weaver`]; a view that does not give what the network reads, or whose
/// standardisation is still to be measured.
pub fn import_weaver(weights: &Path, view: &View, hints: &Hints, name: &str) -> Result<SavedModel, Error> {
    let network = from_weaver(&StateDict::open(weights)?, hints)?;
    // weaver's own.
    let loss = Loss::default();
    check_view(view, network.config(), &loss)?;
    let variables = view.inputs().iter().flat_map(|group| &group.variables);
    if let Some(variable) = variables.into_iter().find(|variable| variable.scaling == Scaling::Measured) {
        let reason = format!(
            "the standardisation of {} is to be measured, but these weights were trained with one: give the view with \
             its numbers (weaver keeps them in a file NAME.HASH.auto.yaml)",
            variable.name
        );
        return Err(Error::Fit { kind: network.config().kind(), reason });
    }
    let file = weights.file_name().unwrap_or_default().to_string_lossy();
    let info = ModelInfo {
        format: MODEL_FORMAT.to_owned(),
        name: name.to_owned(),
        kind: network.config().kind().to_owned(),
        parameters: network.parameters(),
        classes: view.classes().iter().map(|class| class.name.clone()).collect(),
        loss,
        dataset: String::new(),
        dataset_version: String::new(),
        recipe: String::new(),
        seed: 0,
        code: format!("imported from {file}, sha256 {}", files::sha256(&files::read(weights)?)),
        files: std::collections::BTreeMap::new(),
    };
    let standardisation = Standardisation::default();
    Ok(SavedModel {
        model: Model::Network(network),
        view: view.clone(),
        standardisation,
        info,
        training: None,
    })
}
