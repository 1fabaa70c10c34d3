//! How long jobs of each kind take, measured.

use std::time::Duration;

/// Once this many were measured, older ones begin to be forgotten.
const REMEMBERED: f64 = 16.0;

/// Names a kind of job within [`Costs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::offload) struct Kind(usize);

/// The mean cost of each kind of job, in time that one thread spends on it.
#[derive(Debug, Default)]
pub(super) struct Costs {
    kinds: Vec<Measured>,
    /// Over all kinds of jobs that are not split.
    whole: Mean,
}

#[derive(Debug)]
struct Measured {
    name: &'static str,
    split: bool,
    mean: Mean,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    count: f64,
    seconds: f64,
}

impl Mean {
    fn add(&mut self, seconds: f64) {
        self.count = (self.count + 1.0).min(REMEMBERED);
        self.seconds += (seconds - self.seconds) / self.count;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0.0).then_some(self.seconds)
    }
}

impl Costs {
    /// The kind of jobs with this name that are, or are not, split into pieces.
    pub(super) fn kind(&mut self, name: &'static str, split: bool) -> Kind {
        let known = self
            .kinds
            .iter()
            .position(|kind| kind.split == split && kind.name == name);
        Kind(known.unwrap_or_else(|| {
            self.kinds.push(Measured {
                name,
                split,
                mean: Mean::default(),
            });
            self.kinds.len() - 1
        }))
    }

    /// A job of this kind took so long.
    pub(super) fn add(&mut self, kind: Kind, took: Duration) {
        let took = took.as_secs_f64();
        if let Some(measured) = self.kinds.get_mut(kind.0) {
            measured.mean.add(took);
            if !measured.split {
                self.whole.add(took);
            }
        }
    }

    /// Seconds that a job of this kind is expected to take: its own mean, else that of all; 0 if
    /// nothing is known yet.
    pub(super) fn expected(&self, kind: Kind) -> f64 {
        let measured = self.kinds.get(kind.0);
        measured
            .and_then(|measured| measured.mean.get())
            .or_else(|| {
                measured
                    .filter(|measured| !measured.split)
                    .and_then(|_| self.whole.get())
            })
            .unwrap_or(0.0)
    }

    /// Seconds that a job of any kind takes on average; 0 if nothing is known yet.
    pub(super) fn typical(&self) -> f64 {
        self.whole
            .get()
            .or_else(|| {
                self.kinds
                    .iter()
                    .filter_map(|kind| kind.mean.get())
                    .reduce(f64::min)
            })
            .unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_kind_has_its_own_mean_and_an_unknown_one_takes_that_of_all() {
        let mut costs = Costs::default();
        let (short, long) = (costs.kind("short", false), costs.kind("long", false));
        assert!(
            costs.expected(short).abs() < f64::EPSILON,
            "nothing is known yet"
        );
        costs.add(short, MS);
        costs.add(long, 99 * MS);
        assert!((costs.expected(short) - 0.001).abs() < 1e-9);
        assert!((costs.expected(long) - 0.099).abs() < 1e-9);
        let new = costs.kind("new", false);
        assert!((costs.expected(new) - 0.050).abs() < 1e-9);
        assert_eq!(costs.kind("short", false), short);
        assert_ne!(costs.kind("short", true), short);
    }

    #[test]
    fn what_lies_long_ago_is_forgotten() {
        let mut costs = Costs::default();
        let kind = costs.kind("", false);
        for _ in 0..1000 {
            costs.add(kind, MS);
        }
        for _ in 0..100 {
            costs.add(kind, 10 * MS);
        }
        assert!((costs.expected(kind) - 0.010).abs() < 0.0005);
    }
}
