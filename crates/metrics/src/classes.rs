use crate::binary::{check_events, check_finite, check_total};
use crate::bootstrap::estimate;
use crate::estimate::effective;
use crate::{BinaryScores, Bootstrap, Error, Estimate};

/// Scores, labels and weights of a task with two classes or more.
#[derive(Debug, Clone)]
pub struct ClassScores {
    classes: usize,
    scores: Vec<f64>,
    labels: Vec<u32>,
    weights: Option<Vec<f64>>,
    n: u64,
    n_effective: f64,
}

impl ClassScores {
    /// Checks the events: `scores` (n, classes) row by row, `labels` (n) below `classes`, `weights` (n) or all 1.
    ///
    /// # Errors
    /// Fewer than two classes, no events, lengths that differ, a label that is no class, a score or weight that is not
    /// finite, a total weight that is not positive.
    pub fn new(
        scores: &[f64],
        classes: usize,
        labels: &[u32],
        weights: Option<&[f64]>,
    ) -> Result<Self, Error> {
        if classes < 2 {
            return Err(Error::TooFew { what: "classes", value: classes, minimum: 2 });
        }
        let n = labels.len();
        check_events(n, scores.len().div_ceil(classes), "rows of scores", weights)?;
        if scores.len() != n * classes {
            return Err(Error::LengthMismatch { what: "scores", expected: n * classes, found: scores.len() });
        }
        if let Some(position) = scores.iter().position(|score| !score.is_finite()) {
            let (index, value) = (position / classes, scores[position]);
            return Err(Error::NotFinite { what: "score", index, value });
        }
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(Error::Label { index, label: labels[index], classes });
        }
        let ones = vec![1.0; n];
        let used = weights.unwrap_or(&ones);
        let (sum, squares) = used.iter().fold((0.0, 0.0), |(sum, squares), w| (sum + w, squares + w * w));
        check_total("all events", sum)?;
        Ok(Self {
            classes,
            scores: scores.to_vec(),
            labels: labels.to_vec(),
            weights: weights.map(<[f64]>::to_vec),
            n: used.iter().filter(|&&weight| weight != 0.0).count() as u64,
            n_effective: effective(sum, squares),
        })
    }

    fn weight(&self, event: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[event])
    }

    /// Weight of the events whose class has the highest score over all weight. Of equal scores the first class counts.
    ///
    /// # Errors
    /// Too few replicas, or most of them without positive weight.
    pub fn accuracy(&self, bootstrap: &Bootstrap) -> Result<Estimate, Error> {
        let correct: Vec<bool> = self
            .scores
            .chunks_exact(self.classes)
            .zip(&self.labels)
            .map(|(row, &label)| {
                // Strictly greater, so that the first of equal scores stays.
                let best =
                    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
                best == label as usize
            })
            .collect();
        let fraction = |counts: &[u8]| {
            let (mut right, mut total) = (0.0, 0.0);
            for (event, (&count, &correct)) in counts.iter().zip(&correct).enumerate() {
                let weight = self.weight(event) * f64::from(count);
                total += weight;
                right += if correct { weight } else { 0.0 };
            }
            (total > 0.0).then(|| right / total)
        };
        let value = fraction(&vec![1; correct.len()]).ok_or(Error::Empty)?;
        let replicas = bootstrap.run(correct.len(), |counts, (): &mut ()| fraction(counts))?;
        Ok(estimate(value, replicas, self.n, self.n_effective))
    }

    /// The events as a two-class task: `class` against all others, by the score of `class`.
    ///
    /// # Errors
    /// `class` is no class, it has no events or all of them, or a total weight that is not positive.
    pub fn one_vs_rest(&self, class: u32) -> Result<BinaryScores, Error> {
        let classes = self.classes;
        if class as usize >= classes {
            return Err(Error::Label { index: 0, label: class, classes });
        }
        let scores: Vec<f64> = self.scores.iter().skip(class as usize).step_by(classes).copied().collect();
        self.binary(&scores, |label| label == class, |_| true)
    }

    /// The events of two classes as a two-class task, by the discriminant `s / (s + b)` of their scores, which must not
    /// be negative (probabilities). Other events take no part. Where both scores are 0 the discriminant is 1/2.
    ///
    /// # Errors
    /// A class that is none, has no events, or has a total weight that is not positive; a negative score.
    pub fn one_vs_one(&self, signal: u32, background: u32) -> Result<BinaryScores, Error> {
        let classes = self.classes;
        for label in [signal, background] {
            if label as usize >= classes {
                return Err(Error::Label { index: 0, label, classes });
            }
        }
        let scores: Vec<f64> = self
            .scores
            .chunks_exact(classes)
            .map(|row| {
                let (s, b) = (row[signal as usize], row[background as usize]);
                if s < 0.0 || b < 0.0 {
                    f64::NAN
                } else if s + b > 0.0 {
                    s / (s + b)
                } else {
                    0.5
                }
            })
            .collect();
        self.binary(&scores, |label| label == signal, |label| label == signal || label == background)
    }

    fn binary(
        &self,
        scores: &[f64],
        is_signal: impl Fn(u32) -> bool,
        takes_part: impl Fn(u32) -> bool,
    ) -> Result<BinaryScores, Error> {
        check_finite("score", scores)?;
        let events: Vec<usize> = (0..scores.len()).filter(|&event| takes_part(self.labels[event])).collect();
        let pick = |event: &usize| scores[*event];
        let scores: Vec<f64> = events.iter().map(pick).collect();
        let truth: Vec<bool> = events.iter().map(|&event| is_signal(self.labels[event])).collect();
        let weights: Vec<f64> = events.iter().map(|&event| self.weight(event)).collect();
        BinaryScores::new(&scores, &truth, Some(&weights))
    }

    /// The mean over the classes of the one-against-the-rest AUC, every class counting the same.
    ///
    /// # Errors
    /// As [`one_vs_rest`](Self::one_vs_rest) and [`BinaryScores::roc_auc`] have them.
    pub fn roc_auc_macro(&self, bootstrap: &Bootstrap) -> Result<Estimate, Error> {
        let each: Vec<BinaryScores> =
            (0..self.classes as u32).map(|class| self.one_vs_rest(class)).collect::<Result<_, _>>()?;
        let mean = |counts: &[u8], scratch: &mut Vec<f64>| {
            let sum: Option<f64> = each.iter().map(|binary| binary.replica_auc(counts, scratch)).sum();
            sum.map(|sum| sum / each.len() as f64)
        };
        let value = mean(&vec![1; self.labels.len()], &mut Vec::new()).ok_or(Error::Empty)?;
        let replicas = bootstrap.run(self.labels.len(), mean)?;
        Ok(estimate(value, replicas, self.n, self.n_effective))
    }
}
