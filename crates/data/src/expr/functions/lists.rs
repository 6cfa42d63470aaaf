//! Functions of lists: reductions, sorting, combinations. All work on the innermost lists.

use super::{Action, Function, Rest, Setting, function};
use crate::expr::combine;
use crate::expr::reduce::{self, Reduction};

/// A reduction.
macro_rules! reduce {
    ($reduction:ident) => {
        Action::Run(|machine, call, operands, span| {
            reduce::reduce(machine, Reduction::$reduction, call, operands, span)
        })
    };
}

#[rustfmt::skip]
pub(super) static FUNCTIONS: &[Function] = &[
    function!("sum", ("x"), Rest::Nothing, [("axis", Setting::Axis)],
        "sum over the particles; 0 of none; of four-vectors too", reduce!(Sum)),
    function!("any", ("x"), Rest::Nothing, [("axis", Setting::Axis)],
        "whether one particle fulfils x; false of none", reduce!(Any)),
    function!("all", ("x"), Rest::Nothing, [("axis", Setting::Axis)],
        "whether all particles fulfil x; true of none", reduce!(All)),
    function!("min", ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "smallest over the particles; NaN if one is NaN; an error of none without a default", reduce!(Min)),
    function!("max", ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "largest over the particles; NaN if one is NaN; an error of none without a default", reduce!(Max)),
    function!("min", ("a", "b"), "as `minimum`", super::elementwise::MINIMUM),
    function!("max", ("a", "b"), "as `maximum`", super::elementwise::MAXIMUM),
    function!("mean", ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "mean over the particles; an error of none without a default", reduce!(Mean)),
    function!("std", ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "standard deviation over the particles, with 1/n; an error of none without a default", reduce!(Deviation)),
    function!("var", ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "variance over the particles, with 1/n; an error of none without a default", reduce!(Variance)),
    function!("prod", ("x"), Rest::Nothing, [("axis", Setting::Axis)],
        "product over the particles, as a float; 1 of none", reduce!(Product)),
    function!("count" ["num"], ("x"), Rest::Nothing, [("axis", Setting::Axis)],
        "number of particles", reduce!(Count)),
    function!("first" ["firsts"], ("x"), Rest::Nothing, [("default", Setting::Value), ("axis", Setting::Axis)],
        "the first particle's value; an error of none without a default", reduce!(First)),
    function!("argmin", ("x"), Rest::Nothing,
        [("default", Setting::Value), ("keepdims", Setting::Flag(false)), ("axis", Setting::Axis)],
        "index of the smallest, the first of equal ones; with keepdims a list of it, empty of none", reduce!(ArgMin)),
    function!("argmax", ("x"), Rest::Nothing,
        [("default", Setting::Value), ("keepdims", Setting::Flag(false)), ("axis", Setting::Axis)],
        "index of the largest, the first of equal ones; with keepdims a list of it, empty of none", reduce!(ArgMax)),
    function!("sort", ("x"), Rest::Nothing, [("ascending", Setting::Flag(true)), ("axis", Setting::Axis)],
        "the values of each list in order, NaN last", Action::One(|machine, call, x, _| reduce::sort(machine, call, x, true))),
    function!("argsort", ("x"), Rest::Nothing, [("ascending", Setting::Flag(true)), ("axis", Setting::Axis)],
        "the indices that put each list in order, equal ones as they stand, NaN last",
        Action::One(|machine, call, x, _| reduce::sort(machine, call, x, false))),
    function!("local_index", ("x"), "0, 1, 2, ... within each list",
        Action::One(|machine, _, x, _| combine::local_index(machine, &x))),
    function!("combinations", ("x", "n"),
        "all choices of n items of each list, as records with the fields a, b, c, ...", Action::Run(combine::combinations)),
    function!("cartesian", ("x", "y"), Rest::Nothing, [("nested", Setting::Flag(false))],
        "all pairs of an item of x and one of y, as records with the fields a and b; nested: a list of pairs for each item of x",
        Action::Run(combine::cartesian)),
    function!("cartesian", (), Rest::Named, [("nested", Setting::Flag(false))],
        "the same with two names of your own: `cartesian(jet=x, lepton=y)`", Action::Run(combine::cartesian)),
    function!("concatenate", ("x", "y"), Rest::Positional, [("axis", Setting::Axis)],
        "the lists of each row one behind the other; of four-vectors too", Action::Run(combine::concatenate)),
    function!("flatten", ("x"), "lists of lists as one list", Action::One(|machine, _, x, _| combine::flatten(machine, x))),
    function!("record" ["zip"], (), Rest::Named, [], "records with fields of your own", Action::Run(combine::record)),
];
