//! XGBoost's JSON: <https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html>.
//!
//! Numbers outside of the trees are strings. A leaf is a node without children, whose `split_conditions` is its value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::booster::MOST_CLASSES;
use crate::tree::{Branch, Kind, MOST_FEATURES, Statistics, Tree};
use crate::{Booster, Error, Objective};

#[derive(Serialize, Deserialize)]
struct File {
    learner: Learner,
    version: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct Learner {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    feature_names: Vec<String>,
    #[serde(default)]
    feature_types: Vec<String>,
    gradient_booster: GradientBooster,
    learner_model_param: LearnerParameters,
    objective: ObjectiveParameters,
}

#[derive(Serialize, Deserialize)]
struct GradientBooster {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Model>,
    name: String,
    /// The trees of `dart`.
    #[serde(skip_serializing_if = "Option::is_none")]
    gbtree: Option<Box<GradientBooster>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_drop: Option<Vec<f32>>,
}

#[derive(Serialize, Deserialize)]
struct Model {
    gbtree_model_param: TreesParameters,
    #[serde(default)]
    iteration_indptr: Vec<usize>,
    tree_info: Vec<usize>,
    trees: Vec<FileTree>,
}

#[derive(Serialize, Deserialize)]
struct TreesParameters {
    #[serde(default = "one")]
    num_parallel_tree: String,
    num_trees: String,
}

fn one() -> String {
    "1".to_owned()
}

#[derive(Serialize, Deserialize)]
struct LearnerParameters {
    base_score: String,
    #[serde(default = "one")]
    boost_from_average: String,
    num_class: String,
    num_feature: String,
    #[serde(default = "one")]
    num_target: String,
}

#[derive(Serialize, Deserialize)]
struct ObjectiveParameters {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reg_loss_param: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    softmax_multiclass_param: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantile_loss_param: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
struct FileTree {
    base_weights: Vec<f32>,
    #[serde(default)]
    categories: Vec<i64>,
    #[serde(default)]
    categories_nodes: Vec<i64>,
    #[serde(default)]
    categories_segments: Vec<i64>,
    #[serde(default)]
    categories_sizes: Vec<i64>,
    default_left: Vec<Flag>,
    #[serde(default)]
    id: usize,
    left_children: Vec<i64>,
    loss_changes: Vec<f32>,
    parents: Vec<i64>,
    right_children: Vec<i64>,
    split_conditions: Vec<f32>,
    split_indices: Vec<u64>,
    #[serde(default)]
    split_type: Vec<u8>,
    sum_hessian: Vec<f32>,
    tree_param: TreeParameters,
}

/// `true` in old versions, `1` in new ones.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Flag {
    Number(u8),
    Word(bool),
}

impl Flag {
    fn holds(self) -> bool {
        matches!(self, Self::Number(1..) | Self::Word(true))
    }
}

#[derive(Serialize, Deserialize)]
struct TreeParameters {
    #[serde(default)]
    num_deleted: String,
    num_feature: String,
    num_nodes: String,
    #[serde(default = "one")]
    size_leaf_vector: String,
}

pub(crate) fn read(what: &str, bytes: &[u8]) -> Result<Booster, Error> {
    let wrong = |place: String, reason: String| Error::Model { what: what.to_owned(), place, reason };
    if bytes.first() == Some(&b'{') && bytes.get(1).is_some_and(u8::is_ascii_alphabetic) {
        let reason = "this is UBJSON: save it under a name that ends in .json".to_owned();
        return Err(wrong("the file".to_owned(), reason));
    }
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| wrong("the JSON".to_owned(), error.to_string()))?;
    booster(file).map_err(|(place, reason)| wrong(place, reason))
}

/// A place in the file, and what is wrong with it.
type Wrong = (String, String);

fn booster(file: File) -> Result<Booster, Wrong> {
    let learner = file.learner;
    let parameters = learner.learner_model_param;
    let at = |key: &str| format!("learner_model_param.{key}");
    let features: usize = number(&at("num_feature"), &parameters.num_feature)?;
    if features == 0 || features >= MOST_FEATURES {
        return Err((at("num_feature"), format!("{features} features")));
    }
    if number::<usize>(&at("num_target"), &parameters.num_target)? > 1 {
        return Err((at("num_target"), "trees of several targets are not read".to_owned()));
    }
    let classes: usize = number(&at("num_class"), &parameters.num_class)?;
    let objective = objective(&learner.objective, classes)?;
    let base = base(objective, &parameters.base_score).map_err(|reason| (at("base_score"), reason))?;
    let names = learner.feature_names;
    if !names.is_empty() && names.len() != features {
        return Err(("feature_names".to_owned(), format!("{} names for {features} features", names.len())));
    }
    let (model, dropped) = model(learner.gradient_booster)?;
    let expected: usize = number("gbtree_model_param.num_trees", &model.gbtree_model_param.num_trees)?;
    let trees = model.trees.len();
    let lengths = [("tree_info", model.tree_info.len()), ("num_trees", expected)];
    let dropped_length = dropped.as_ref().map(|dropped| ("weight_drop", dropped.len()));
    for (key, length) in lengths.into_iter().chain(dropped_length) {
        if length != trees {
            return Err((key.to_owned(), format!("{length}, but there are {trees} trees")));
        }
    }
    let mut grown = Vec::with_capacity(trees);
    for (index, (tree, output)) in model.trees.iter().zip(model.tree_info).enumerate() {
        if output >= objective.outputs() {
            return Err((format!("tree_info[{index}]"), format!("{output} is no class")));
        }
        let weight = dropped.as_ref().map_or(1.0, |dropped| dropped[index]);
        let tree = self::tree(tree, features, weight)
            .map_err(|(place, reason)| (format!("trees[{index}].{place}"), reason))?;
        grown.push((output, tree));
    }
    let parallel: usize =
        number("gbtree_model_param.num_parallel_tree", &model.gbtree_model_param.num_parallel_tree)?;
    let rounds = rounds(&model.iteration_indptr, trees, objective.outputs().saturating_mul(parallel))?;
    Ok(Booster { objective, names, features, base, trees: grown, rounds })
}

fn number<T: std::str::FromStr>(place: &str, text: &str) -> Result<T, Wrong> {
    text.trim().parse().map_err(|_| (place.to_owned(), format!("`{text}` is no such number")))
}

fn objective(parameters: &ObjectiveParameters, classes: usize) -> Result<Objective, Wrong> {
    let place = || "objective".to_owned();
    match parameters.name.as_str() {
        "binary:logistic" | "reg:logistic" => Ok(Objective::Logistic),
        "reg:squarederror" => Ok(Objective::SquaredError),
        "multi:softprob" | "multi:softmax" if (1..=MOST_CLASSES).contains(&classes) => {
            Ok(Objective::Softmax(classes))
        }
        "multi:softprob" | "multi:softmax" => Err((place(), format!("{classes} classes"))),
        "reg:quantileerror" => {
            let alpha = parameters.quantile_loss_param.as_ref().and_then(|p| p.get("quantile_alpha"));
            let alpha = alpha.ok_or_else(|| (place(), "no quantile_alpha".to_owned()))?;
            let alpha: f64 = number("quantile_alpha", alpha.trim().trim_matches(['[', ']']))?;
            if alpha > 0.0 && alpha < 1.0 {
                return Ok(Objective::Quantile(alpha));
            }
            Err((place(), format!("quantile_alpha is {alpha}")))
        }
        name => Err((
            place(),
            format!(
                "{name} is not read; read are binary:logistic, multi:softprob, multi:softmax, reg:squarederror and \
                 reg:quantileerror"
            ),
        )),
    }
}

/// What the sums start from: one number for all outputs before version 3.1, a list of them since. Of `binary:logistic` it is a
/// probability.
fn base(objective: Objective, text: &str) -> Result<Vec<f32>, String> {
    let outputs = objective.outputs();
    let scores: Vec<f32> = text
        .trim()
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split(',')
        .map(|score| score.trim().parse().map_err(|_| format!("`{score}` is no number")))
        .collect::<Result<_, String>>()?;
    if scores.len() != 1 && scores.len() != outputs {
        return Err(format!("{} scores for {outputs} outputs", scores.len()));
    }
    let sane = |score: f32| match objective {
        Objective::Logistic => score > 0.0 && score < 1.0,
        _ => score.is_finite(),
    };
    if let Some(score) = scores.iter().find(|score| !sane(**score)) {
        return Err(format!("{score} is no base of this objective"));
    }
    Ok(if scores.len() == outputs { scores } else { vec![scores[0]; outputs] })
}

/// The trees, and for `dart` what each is multiplied by.
fn model(booster: GradientBooster) -> Result<(Model, Option<Vec<f32>>), Wrong> {
    let place = || "gradient_booster".to_owned();
    match (booster.name.as_str(), booster.model, booster.gbtree) {
        ("gbtree", Some(model), _) => Ok((model, None)),
        ("dart", _, Some(inner)) => {
            let model = inner.model.ok_or_else(|| (place(), "no model".to_owned()))?;
            let dropped = booster.weight_drop.ok_or_else(|| (place(), "no weight_drop".to_owned()))?;
            Ok((model, Some(dropped)))
        }
        ("gbtree" | "dart", ..) => Err((place(), "no model".to_owned())),
        (name, ..) => Err((place(), format!("{name} is not read; read are gbtree and dart"))),
    }
}

/// How many trees there are after each round.
fn rounds(starts: &[usize], trees: usize, each: usize) -> Result<Vec<usize>, Wrong> {
    let wrong = |reason: String| ("iteration_indptr".to_owned(), reason);
    if starts.is_empty() {
        // Before version 2.0 all rounds had as many trees.
        if each == 0 || !trees.is_multiple_of(each) {
            return Err(wrong(format!("{trees} trees do not make rounds of {each}")));
        }
        return Ok((1..=trees / each).map(|round| round * each).collect());
    }
    if starts[0] != 0 || starts[starts.len() - 1] != trees || !starts.is_sorted() {
        return Err(wrong(format!("it does not go from 0 to the number of trees, {trees}")));
    }
    Ok(starts[1..].to_vec())
}

fn tree(file: &FileTree, features: usize, weight: f32) -> Result<Tree, Wrong> {
    let nodes = file.left_children.len();
    let stated: usize = number("tree_param.num_nodes", &file.tree_param.num_nodes)?;
    let lengths = [
        ("tree_param.num_nodes", stated),
        ("right_children", file.right_children.len()),
        ("split_conditions", file.split_conditions.len()),
        ("split_indices", file.split_indices.len()),
        ("default_left", file.default_left.len()),
        ("loss_changes", file.loss_changes.len()),
        ("sum_hessian", file.sum_hessian.len()),
        ("base_weights", file.base_weights.len()),
    ];
    for (key, length) in lengths {
        if length != nodes {
            return Err((key.to_owned(), format!("{length}, but there are {nodes} nodes")));
        }
    }
    if nodes == 0 {
        return Err(("left_children".to_owned(), "no nodes".to_owned()));
    }
    if number::<usize>("tree_param.size_leaf_vector", &file.tree_param.size_leaf_vector)? > 1 {
        return Err((
            "tree_param.size_leaf_vector".to_owned(),
            "leaves of several values are not read".into(),
        ));
    }
    if file.split_type.iter().any(|&kind| kind != 0) || !file.categories.is_empty() {
        return Err(("split_type".to_owned(), "categorical splits are not read".to_owned()));
    }
    let statistics = |node: usize, value: f32| Statistics {
        gain: file.loss_changes[node],
        hessian: file.sum_hessian[node],
        value,
    };
    let value = |node: usize| {
        let leaf = file.left_children[node] == -1;
        let value = if leaf { file.split_conditions[node] * weight } else { file.base_weights[node] };
        if value.is_finite() {
            Ok(value)
        } else {
            Err((format!("split_conditions[{node}]"), format!("{value} is not finite")))
        }
    };
    // Level by level from the root: children get neighbouring places behind their parent, whatever the file's order.
    let mut tree = Tree::new(value(0)?, statistics(0, value(0)?));
    let mut seen = vec![false; nodes];
    seen[0] = true;
    let mut open = std::collections::VecDeque::from([(0_usize, 0_usize)]);
    while let Some((node, place)) = open.pop_front() {
        let children = [file.left_children[node], file.right_children[node]];
        if children == [-1, -1] {
            continue;
        }
        let mut ours = [0; 2];
        for (ours, (child, key)) in ours.iter_mut().zip(children.into_iter().zip(["left", "right"])) {
            let here = || format!("{key}_children[{node}]");
            *ours = usize::try_from(child)
                .ok()
                .filter(|&child| child < nodes)
                .ok_or_else(|| (here(), format!("{child} is none of {nodes} nodes")))?;
            if std::mem::replace(&mut seen[*ours], true) {
                return Err((here(), format!("node {child} has a parent already")));
            }
        }
        let feature = usize::try_from(file.split_indices[node]).unwrap_or(usize::MAX);
        if feature >= features {
            return Err((
                format!("split_indices[{node}]"),
                format!("{feature} is none of {features} features"),
            ));
        }
        let branch = Branch {
            feature,
            threshold: file.split_conditions[node],
            missing_left: file.default_left[node].holds(),
        };
        let values = [value(ours[0])?, value(ours[1])?];
        let statistics = [statistics(ours[0], values[0]), statistics(ours[1], values[1])];
        let left = tree.split(place, branch, file.loss_changes[node], statistics);
        open.extend([(ours[0], left), (ours[1], left + 1)]);
    }
    Ok(tree)
}

pub(crate) fn write(booster: &Booster) -> Vec<u8> {
    let outputs = booster.objective.outputs();
    let map = |key: &str, value: String| Some(BTreeMap::from([(key.to_owned(), value)]));
    let (name, reg_loss_param, softmax_multiclass_param, quantile_loss_param) = match booster.objective {
        Objective::Logistic => ("binary:logistic", map("scale_pos_weight", one()), None, None),
        Objective::Softmax(classes) => ("multi:softprob", None, map("num_class", classes.to_string()), None),
        Objective::SquaredError => ("reg:squarederror", map("scale_pos_weight", one()), None, None),
        Objective::Quantile(alpha) => {
            ("reg:quantileerror", None, None, map("quantile_alpha", format!("[{alpha}]")))
        }
    };
    let same = booster.base.iter().all(|base| *base == booster.base[0]);
    let (base_score, version) = if same {
        // Every version reads this.
        (booster.base[0].to_string(), vec![2, 1, 0])
    } else {
        let scores: Vec<String> = booster.base.iter().map(f32::to_string).collect();
        (format!("[{}]", scores.join(",")), vec![3, 1, 0])
    };
    let trees = booster.trees.len();
    let file = File {
        learner: Learner {
            attributes: BTreeMap::new(),
            feature_names: booster.names.clone(),
            feature_types: Vec::new(),
            gradient_booster: GradientBooster {
                model: Some(Model {
                    gbtree_model_param: TreesParameters {
                        num_parallel_tree: one(),
                        num_trees: trees.to_string(),
                    },
                    iteration_indptr: std::iter::once(0).chain(booster.rounds.iter().copied()).collect(),
                    tree_info: booster.trees.iter().map(|(output, _)| *output).collect(),
                    trees: booster
                        .trees
                        .iter()
                        .enumerate()
                        .map(|(id, (_, tree))| file_tree(tree, id, booster.features))
                        .collect(),
                }),
                name: "gbtree".to_owned(),
                gbtree: None,
                weight_drop: None,
            },
            learner_model_param: LearnerParameters {
                base_score,
                boost_from_average: one(),
                num_class: if outputs > 1 { outputs } else { 0 }.to_string(),
                num_feature: booster.features.to_string(),
                num_target: one(),
            },
            objective: ObjectiveParameters {
                name: name.to_owned(),
                reg_loss_param,
                softmax_multiclass_param,
                quantile_loss_param,
            },
        },
        version,
    };
    // Only maps with keys that are no text and writers that fail can make this fail.
    serde_json::to_vec(&file).unwrap_or_default()
}

/// What XGBoost has for the parent of the root.
const NO_PARENT: i64 = i32::MAX as i64;

fn file_tree(tree: &Tree, id: usize, features: usize) -> FileTree {
    let nodes = tree.len();
    let mut file = FileTree {
        base_weights: (0..nodes).map(|node| tree.statistics(node).value).collect(),
        categories: Vec::new(),
        categories_nodes: Vec::new(),
        categories_segments: Vec::new(),
        categories_sizes: Vec::new(),
        default_left: vec![Flag::Number(0); nodes],
        id,
        left_children: vec![-1; nodes],
        loss_changes: vec![0.0; nodes],
        parents: vec![NO_PARENT; nodes],
        right_children: vec![-1; nodes],
        split_conditions: vec![0.0; nodes],
        split_indices: vec![0; nodes],
        split_type: vec![0; nodes],
        sum_hessian: (0..nodes).map(|node| tree.statistics(node).hessian).collect(),
        tree_param: TreeParameters {
            num_deleted: "0".to_owned(),
            num_feature: features.to_string(),
            num_nodes: nodes.to_string(),
            size_leaf_vector: one(),
        },
    };
    for node in 0..nodes {
        match tree.kind(node) {
            Kind::Leaf(value) => file.split_conditions[node] = value,
            Kind::Split(branch, left) => {
                file.default_left[node] = Flag::Number(u8::from(branch.missing_left));
                file.left_children[node] = left as i64;
                file.right_children[node] = left as i64 + 1;
                file.loss_changes[node] = tree.statistics(node).gain;
                file.split_conditions[node] = branch.threshold;
                file.split_indices[node] = branch.feature as u64;
                for child in [left, left + 1] {
                    file.parents[child] = node as i64;
                }
            }
        }
    }
    file
}
