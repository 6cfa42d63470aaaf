//! What is predicted of one target, and how good that is on some rows.

use std::collections::BTreeMap;

use fiducial_metrics::{Bootstrap, Error, Estimate, Residuals};
use fiducial_models::LossKind;

/// A target with its predictions, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Target<'a> {
    pub(crate) name: String,
    pub(crate) kind: &'a LossKind,
    pub(crate) truth: Vec<f64>,
    /// Each column of its predictions: the prediction; mean and sigma; or the quantiles.
    pub(crate) columns: Vec<Vec<f64>>,
    pub(crate) weights: &'a [f64],
}

impl Target<'_> {
    /// The column of the one best number: the prediction, the mean, or the quantile of level 0.5.
    pub(crate) fn best(&self) -> Option<&[f64]> {
        let column = match self.kind {
            LossKind::Quantile { levels } => levels.iter().position(|level| *level == 0.5)?,
            _ => 0,
        };
        self.columns.get(column).map(Vec::as_slice)
    }

    /// The spread that is predicted for each row.
    pub(crate) fn sigmas(&self) -> Option<&[f64]> {
        let is_gaussian = matches!(self.kind, LossKind::Gaussian {});
        self.columns.get(1).filter(|_| is_gaussian).map(Vec::as_slice)
    }

    /// Predicted minus true.
    pub(crate) fn residuals(&self) -> Option<Vec<f64>> {
        Some(self.best()?.iter().zip(&self.truth).map(|(best, truth)| best - truth).collect())
    }

    /// Predicted over true, where all that is true is positive.
    pub(crate) fn responses(&self) -> Option<Vec<f64>> {
        let is_positive = self.truth.iter().all(|truth| *truth > 0.0);
        let best = self.best().filter(|_| is_positive)?;
        Some(best.iter().zip(&self.truth).map(|(best, truth)| best / truth).collect())
    }

    /// Residuals over what they are predicted to be.
    pub(crate) fn pulls(&self) -> Option<Vec<f64>> {
        let residuals = self.residuals()?;
        Some(residuals.iter().zip(self.sigmas()?).map(|(residual, sigma)| residual / sigma).collect())
    }

    /// How far each row's truth lies within an interval that is predicted for it, negative outside; by the interval's metric.
    fn intervals(&self) -> Vec<(String, Vec<f64>)> {
        let within = |low: &[f64], high: &[f64]| {
            let sides = low.iter().zip(high).zip(&self.truth);
            sides.map(|((low, high), truth)| (high - truth).min(truth - low)).collect()
        };
        if let Some(pulls) = self.pulls() {
            let inside = |sigmas: f64| pulls.iter().map(|pull| sigmas - pull.abs()).collect();
            return vec![within_sigmas(1, inside(1.0)), within_sigmas(2, inside(2.0))];
        }
        let LossKind::Quantile { levels } = self.kind else { return Vec::new() };
        let pairs = central_pairs(levels).into_iter();
        let named =
            pairs.map(|[low, high]| (format!("within_{}_{}", levels[low], levels[high]), [low, high]));
        named.map(|(key, [low, high])| (key, within(&self.columns[low], &self.columns[high]))).collect()
    }

    /// The metrics of some rows by key.
    ///
    /// # Errors
    /// Rows that cannot be measured: none, or weights that add up to nothing.
    pub(crate) fn measure(
        &self,
        rows: &[usize],
        bootstrap: &Bootstrap,
    ) -> Result<BTreeMap<String, Estimate>, Error> {
        let weights = of_rows(self.weights, rows);
        let events = |values: &[f64]| Residuals::new(&of_rows(values, rows), Some(&weights));
        let mut found = BTreeMap::new();
        let mut insert = |key: &str, estimate: Estimate| {
            found.insert(key.to_owned(), estimate);
        };
        if let Some(residuals) = self.residuals() {
            let summary = events(&residuals)?.summary(bootstrap)?;
            insert("bias", summary.bias);
            insert("median", summary.median);
            insert("resolution", summary.resolution);
            insert("rmse", summary.rmse);
        }
        if let Some(responses) = self.responses() {
            match events(&responses)?.relative(bootstrap) {
                Ok(response) => {
                    insert("response", response.median);
                    insert("response_resolution", response.resolution);
                }
                // Predictions that are mostly negative where the truth is positive have no relative width.
                Err(Error::Median { .. } | Error::MeanSquare) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(pulls) = self.pulls() {
            let pulls = events(&pulls)?.summary(bootstrap)?;
            insert("pull_mean", pulls.bias);
            insert("pull_width", pulls.rmse);
            insert("pull_resolution", pulls.resolution);
        }
        for (key, inside) in self.intervals() {
            insert(&key, events(&inside)?.coverage(bootstrap)?);
        }
        if let LossKind::Quantile { levels } = self.kind {
            for (column, level) in self.columns.iter().zip(levels) {
                let residuals: Vec<f64> =
                    column.iter().zip(&self.truth).map(|(it, truth)| it - truth).collect();
                insert(&format!("coverage_{level}"), events(&residuals)?.coverage(bootstrap)?);
            }
            if levels.len() > 1 {
                insert("ordered", events(&self.least_steps())?.coverage(bootstrap)?);
            }
        }
        Ok(found)
    }

    /// The least step from a quantile to the next of each row: negative where two of them cross.
    fn least_steps(&self) -> Vec<f64> {
        let steps = self.columns.windows(2);
        steps.fold(vec![f64::MAX; self.truth.len()], |mut least, pair| {
            let rows = pair[0].iter().zip(&pair[1]);
            least.iter_mut().zip(rows).for_each(|(least, (low, high))| *least = least.min(high - low));
            least
        })
    }
}

fn within_sigmas(number: u8, inside: Vec<f64>) -> (String, Vec<f64>) {
    (format!("within_{number}_sigma"), inside)
}

fn of_rows(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|row| values[*row]).collect()
}

/// Pairs of levels that leave as much out above as below.
pub(crate) fn central_pairs(levels: &[f64]) -> Vec<[usize; 2]> {
    let last = levels.len().saturating_sub(1);
    let pairs = (0..levels.len() / 2).map(|low| [low, last - low]);
    pairs.filter(|[low, high]| (levels[*low] + levels[*high] - 1.0).abs() < 1e-9).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { replicas: 20, seed: 1 };

    fn values(kind: &LossKind, truth: &[f64], columns: &[&[f64]]) -> BTreeMap<String, f64> {
        let weights = vec![1.0; truth.len()];
        let columns = columns.iter().map(|column| column.to_vec()).collect();
        let target = Target { name: "y".into(), kind, truth: truth.to_vec(), columns, weights: &weights };
        let rows: Vec<usize> = (0..truth.len()).collect();
        let found = target.measure(&rows, &BOOTSTRAP).unwrap();
        found.into_iter().map(|(key, estimate)| (key, estimate.value.unwrap())).collect()
    }

    #[test]
    fn each_head_has_its_metrics() {
        let truth = [1.0, 2.0, 4.0, 8.0];
        let best = [1.1, 2.0, 4.3, 8.8];
        let plain = values(&LossKind::Huber { delta: 1.0 }, &truth, &[&best]);
        let keys: Vec<&str> = plain.keys().map(String::as_str).collect();
        assert_eq!(keys, ["bias", "median", "resolution", "response", "response_resolution", "rmse"]);
        assert!((plain["bias"] - 0.3).abs() < 1e-12 && (plain["response"] - 1.075).abs() < 1e-12);

        // A truth of zero has no response.
        let zero = values(&LossKind::SquaredError {}, &[0.0, 1.0], &[&[0.5, 1.0]]);
        assert!(!zero.contains_key("response"), "{zero:?}");

        // Pulls 1, 0, 1.5 and 4.
        let gaussian = values(&LossKind::Gaussian {}, &truth, &[&best, &[0.1, 1.0, 0.2, 0.2]]);
        assert!((gaussian["pull_mean"] - 1.625).abs() < 1e-9, "{gaussian:?}");
        assert!((gaussian["pull_width"] - 4.8125_f64.sqrt()).abs() < 1e-9);
        assert_eq!(gaussian["within_2_sigma"], 0.75);

        let levels = vec![0.25, 0.5, 0.75];
        let low = [0.5, 2.5, 3.0, 7.0];
        let high = [1.5, 1.0, 5.0, 9.0];
        let quantiles = values(&LossKind::Quantile { levels }, &truth, &[&low, &best, &high]);
        assert_eq!((quantiles["coverage_0.25"], quantiles["coverage_0.75"]), (0.25, 0.75));
        assert_eq!((quantiles["within_0.25_0.75"], quantiles["ordered"]), (0.75, 0.75));
        assert!(quantiles.contains_key("bias"));
        let lone = values(&LossKind::Quantile { levels: vec![0.9] }, &truth, &[&best]);
        assert_eq!(lone.keys().collect::<Vec<_>>(), ["coverage_0.9"]);
    }

    #[test]
    fn only_levels_that_are_central_make_an_interval() {
        assert_eq!(central_pairs(&[0.16, 0.5, 0.84]), [[0, 2]]);
        assert_eq!(central_pairs(&[0.1, 0.2, 0.8, 0.95]), [[1, 2]]);
        assert_eq!(central_pairs(&[0.5]), Vec::<[usize; 2]>::new());
    }
}
