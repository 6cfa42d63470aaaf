//! The table of functions.

use super::kernels;
use super::values::Operand;

/// A function of the language. Its arguments broadcast against each other unless it is a reduction.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Other names, as NumPy, awkward and Python's `math` have them.
    pub(super) aliases: &'static [&'static str],
    pub(super) parameters: &'static [&'static str],
    pub(super) summary: &'static str,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Number to number, in place.
    Unary(fn(&mut [f64])),
    /// Numbers to number: operands of one common length.
    Nary(fn(&[Operand], usize) -> Vec<f64>),
    /// Number to boolean.
    Test(fn(f64) -> bool),
    /// A condition chooses one of two values.
    Where,
    /// A constant of the argument's shape.
    Fill(f64),
    /// Over the items of each list.
    Reduce(Reduction),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduction {
    Sum,
    Any,
    All,
    Min,
    Max,
    Mean,
    Count,
    First,
}

impl Function {
    /// How it is called: `clip(x, low, high)`.
    pub(super) fn signature(&self) -> String {
        let default = if self.takes_default() { "[, default=value]" } else { "" };
        format!("{}({}{default})", self.name, self.parameters.join(", "))
    }

    /// Whether an empty list needs a value to stand for it.
    pub(super) fn takes_default(&self) -> bool {
        use Reduction::{First, Max, Mean, Min};
        matches!(self.kind, Kind::Reduce(First | Max | Mean | Min))
    }
}

macro_rules! unary {
    ($f:expr) => {
        Kind::Unary(|values| values.iter_mut().for_each(|x| *x = $f(*x)))
    };
}

macro_rules! nary {
    (|$($argument:ident),+| $body:expr) => {
        Kind::Nary(|operands, length| {
            let [$($argument),+] = operands else { return Vec::new() };
            (0..length).map(|i| { $(let $argument = $argument.at(i);)+ $body }).collect()
        })
    };
}

macro_rules! function {
    ($name:literal $([$($alias:literal),+])?, ($($parameter:literal),*), $summary:literal, $kind:expr) => {
        Function { name: $name, aliases: &[$($($alias),+)?], parameters: &[$($parameter),*], summary: $summary, kind: $kind }
    };
}

#[rustfmt::skip]
static FUNCTIONS: &[Function] = &[
    function!("sqrt", ("x"), "square root", unary!(f64::sqrt)),
    function!("exp", ("x"), "e to the power x", unary!(f64::exp)),
    function!("expm1", ("x"), "exp(x) - 1, exact near 0", unary!(f64::exp_m1)),
    function!("log", ("x"), "natural logarithm", unary!(f64::ln)),
    function!("log1p", ("x"), "log(1 + x), exact near 0", unary!(f64::ln_1p)),
    function!("log2", ("x"), "logarithm to base 2", unary!(f64::log2)),
    function!("log10", ("x"), "logarithm to base 10", unary!(f64::log10)),
    function!("sin", ("x"), "sine, x in radians", unary!(f64::sin)),
    function!("cos", ("x"), "cosine, x in radians", unary!(f64::cos)),
    function!("tan", ("x"), "tangent, x in radians", unary!(f64::tan)),
    function!("arcsin" ["asin"], ("x"), "inverse sine", unary!(f64::asin)),
    function!("arccos" ["acos"], ("x"), "inverse cosine", unary!(f64::acos)),
    function!("arctan" ["atan"], ("x"), "inverse tangent", unary!(f64::atan)),
    function!("arctan2" ["atan2"], ("y", "x"), "angle of the point (x, y), in [-pi, pi]", nary!(|y, x| y.atan2(x))),
    function!("sinh", ("x"), "hyperbolic sine", unary!(f64::sinh)),
    function!("cosh", ("x"), "hyperbolic cosine", unary!(f64::cosh)),
    function!("tanh", ("x"), "hyperbolic tangent", unary!(f64::tanh)),
    function!("arcsinh" ["asinh"], ("x"), "inverse hyperbolic sine", unary!(kernels::arcsinh)),
    function!("arccosh" ["acosh"], ("x"), "inverse hyperbolic cosine", unary!(f64::acosh)),
    function!("arctanh" ["atanh"], ("x"), "inverse hyperbolic tangent", unary!(f64::atanh)),
    function!("abs" ["absolute", "fabs"], ("x"), "absolute value", unary!(f64::abs)),
    function!("sign", ("x"), "-1, 0 or 1; NaN of NaN", unary!(kernels::sign)),
    function!("floor", ("x"), "largest whole number that is not above x", unary!(f64::floor)),
    function!("ceil", ("x"), "smallest whole number that is not below x", unary!(f64::ceil)),
    function!("hypot", ("x", "y"), "sqrt(x**2 + y**2) without overflow", nary!(|x, y| x.hypot(y))),
    function!("minimum", ("a", "b"), "the smaller value; NaN if one is NaN", nary!(|a, b| kernels::minimum(a, b))),
    function!("maximum", ("a", "b"), "the larger value; NaN if one is NaN", nary!(|a, b| kernels::maximum(a, b))),
    function!("clip", ("x", "low", "high"), "x, not below low and not above high",
        nary!(|x, low, high| kernels::minimum(kernels::maximum(x, low), high))),
    function!("where", ("condition", "a", "b"), "a where the condition holds, else b", Kind::Where),
    function!("isnan", ("x"), "whether x is NaN", Kind::Test(f64::is_nan)),
    function!("isfinite", ("x"), "whether x is neither NaN nor infinite", Kind::Test(f64::is_finite)),
    function!("ones_like", ("x"), "1 for each value of x", Kind::Fill(1.0)),
    function!("zeros_like", ("x"), "0 for each value of x", Kind::Fill(0.0)),
    function!("sum", ("x"), "sum over the particles; 0 of none", Kind::Reduce(Reduction::Sum)),
    function!("any", ("x"), "whether one particle fulfils x", Kind::Reduce(Reduction::Any)),
    function!("all", ("x"), "whether all particles fulfil x", Kind::Reduce(Reduction::All)),
    function!("min", ("x"), "smallest over the particles; min(a, b) is minimum(a, b)", Kind::Reduce(Reduction::Min)),
    function!("max", ("x"), "largest over the particles; max(a, b) is maximum(a, b)", Kind::Reduce(Reduction::Max)),
    function!("mean", ("x"), "mean over the particles", Kind::Reduce(Reduction::Mean)),
    function!("count" ["num"], ("x"), "number of particles", Kind::Reduce(Reduction::Count)),
    function!("first", ("x"), "the first particle's value", Kind::Reduce(Reduction::First)),
    function!("pt", ("px", "py"), "transverse momentum", nary!(|px, py| fiducial_physics::pt(px, py))),
    function!("phi", ("px", "py"), "azimuthal angle, in (-pi, pi]", nary!(|px, py| fiducial_physics::phi(px, py))),
    function!("eta", ("px", "py", "pz"), "pseudorapidity",
        nary!(|px, py, pz| fiducial_physics::eta(px, py, pz))),
    function!("rapidity", ("e", "pz"), "rapidity along the beam",
        nary!(|e, pz| fiducial_physics::rapidity(e, pz))),
    function!("mass", ("px", "py", "pz", "e"), "invariant mass; negative where space-like",
        nary!(|px, py, pz, e| fiducial_physics::mass(px, py, pz, e))),
    function!("delta_phi", ("a", "b"), "difference a - b of two angles, in (-pi, pi]",
        nary!(|a, b| fiducial_physics::delta_phi(a, b))),
    function!("delta_r", ("eta1", "phi1", "eta2", "phi2"), "distance in the plane of eta and phi",
        nary!(|eta1, phi1, eta2, phi2| fiducial_physics::delta_r(eta1, phi1, eta2, phi2))),
];

/// A function of the language, for tables and help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// Other names that are understood.
    pub aliases: &'static [&'static str],
    /// How it is called: `clip(x, low, high)`.
    pub signature: String,
    /// What it gives, in a few words.
    pub summary: &'static str,
}

/// All functions, in the order of the documentation.
///
/// ```
/// let names: Vec<&str> = fiducial_data::expr::functions().iter().map(|f| f.name).collect();
/// assert!(names.contains(&"hypot"));
/// ```
pub fn functions() -> Vec<FunctionInfo> {
    let info = |f: &Function| FunctionInfo {
        name: f.name,
        aliases: f.aliases,
        signature: f.signature(),
        summary: f.summary,
    };
    FUNCTIONS.iter().map(info).collect()
}

/// The name without NumPy's, awkward's or `math`'s prefix, and whether there was one.
fn without_prefix(name: &str) -> (&str, bool) {
    ["np.", "numpy.", "ak.", "awkward.", "math."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .map_or((name, false), |bare| (bare, true))
}

pub(super) fn find(name: &str) -> Option<&'static Function> {
    let (bare, _) = without_prefix(name);
    FUNCTIONS.iter().find(|f| f.name == bare || f.aliases.contains(&bare))
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().map(|f| f.name)
}

/// `np.pi` and its like. They need a prefix, since `e` and `pi` are good names for columns.
pub(super) fn constant(name: &str) -> Option<f64> {
    match without_prefix(name) {
        ("pi", true) => Some(std::f64::consts::PI),
        ("e", true) => Some(std::f64::consts::E),
        ("inf", true) => Some(f64::INFINITY),
        ("nan", true) => Some(f64::NAN),
        _ => None,
    }
}
