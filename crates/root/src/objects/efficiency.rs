//! Efficiencies: how many of a total passed, bin by bin.

use crate::objects::histogram::Histogram;
use crate::objects::value::Members;

/// A TEfficiency.
#[derive(Debug, Clone, PartialEq)]
pub struct Efficiency {
    /// The object's own name.
    pub name: String,
    /// The title.
    pub title: String,
    /// What passed, in the same bins as the total.
    pub passed: Histogram,
    /// All there was.
    pub total: Histogram,
    /// The confidence level of its intervals, such as 0.683.
    pub confidence: f64,
    /// How its intervals are made, by the numbers of `TEfficiency::EStatOption`: 0 Clopper-Pearson, 1 normal, 2 Wilson,
    /// 3 Agresti-Coull, 4 Feldman-Cousins, 5 Bayesian with Jeffreys' prior, 6 with a uniform one, 7 with one of its own,
    /// 8 mid-P.
    pub statistic: i64,
    /// The parameters of a prior that is a beta distribution, (alpha, beta).
    pub prior: (f64, f64),
    /// The weight of the object where several are combined.
    pub weight: f64,
}

impl Efficiency {
    pub(crate) fn read(object: &Members) -> Result<Self, String> {
        let histogram = |name: &str| {
            let inner = object.object(name).ok_or_else(|| format!("it has no {name}"))?;
            Histogram::read(inner).map_err(|reason| format!("{name}: {reason}"))
        };
        let (passed, total) = (histogram("fPassedHistogram")?, histogram("fTotalHistogram")?);
        if passed.shape() != total.shape() {
            return Err(format!("{:?} bins passed of {:?}", passed.shape(), total.shape()));
        }
        let number = |name: &str| object.float(name).unwrap_or(0.0);
        Ok(Self {
            name: object.text("fName").unwrap_or_default().to_owned(),
            title: object.text("fTitle").unwrap_or_default().to_owned(),
            passed,
            total,
            confidence: number("fConfLevel"),
            statistic: object.int("fStatisticOption").unwrap_or(0),
            prior: (number("fBeta_alpha"), number("fBeta_beta")),
            weight: number("fWeight"),
        })
    }

    /// Passed over total in each bin, in the order and shape of the histograms' values; `None` where the total is 0.
    pub fn values(&self) -> Vec<Option<f64>> {
        let (passed, total) = (self.passed.values(), self.total.values());
        passed.iter().zip(&total).map(|(passed, &total)| (total != 0.0).then(|| passed / total)).collect()
    }
}
