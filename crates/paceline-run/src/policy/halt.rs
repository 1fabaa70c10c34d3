//! `--halt`: when the outcome of some jobs decides the run.

use super::ParseError;

/// A condition that ends the run early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Halt {
    /// What then happens to the running jobs.
    pub when: HaltWhen,
    /// What is counted.
    pub on: HaltOn,
    /// How many it takes.
    pub threshold: Threshold,
}

/// What happens to running jobs when the run is halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltWhen {
    /// They are stopped.
    Now,
    /// They are waited for.
    Soon,
}

/// What a halt condition counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HaltOn {
    /// Failed jobs.
    Fail,
    /// Successful jobs.
    Success,
    /// Jobs that ended either way.
    Done,
}

/// How many jobs it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// This many.
    Count(u64),
    /// This share of all jobs: of those that ended, until their total is known.
    Share(f64),
}

impl Halt {
    /// Reads `now,fail=1`, `soon,fail=10%`, `now,success=1`, `soon,done=100`; `never` (and GNU
    /// parallel's 0) is none, 1 is `soon,fail=1` and 2 is `now,fail=1`.
    pub fn parse(text: &str) -> Result<Option<Self>, ParseError> {
        let error = || ParseError {
            value: text.to_owned(),
            expected: "a halt condition such as now,fail=1, soon,fail=10%, now,success=1 or never",
        };
        match text {
            "never" | "0" => return Ok(None),
            "1" => return Self::parse("soon,fail=1"),
            "2" => return Self::parse("now,fail=1"),
            _ => {}
        }
        let (when, condition) = text.split_once(',').ok_or_else(error)?;
        let (on, threshold) = condition.split_once('=').ok_or_else(error)?;
        let when = match when {
            "now" => HaltWhen::Now,
            "soon" => HaltWhen::Soon,
            _ => return Err(error()),
        };
        let on = match on {
            "fail" => HaltOn::Fail,
            "success" => HaltOn::Success,
            "done" => HaltOn::Done,
            _ => return Err(error()),
        };
        let threshold = match threshold.strip_suffix('%') {
            Some(percent) => match percent.parse::<f64>() {
                Ok(percent) if percent > 0.0 && percent <= 100.0 => {
                    Threshold::Share(percent / 100.0)
                }
                _ => return Err(error()),
            },
            None => match threshold.parse() {
                Ok(count) if count > 0 => Threshold::Count(count),
                _ => return Err(error()),
            },
        };
        Ok(Some(Self {
            when,
            on,
            threshold,
        }))
    }
}

/// How the jobs have ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) failed: u64,
}

/// Watches the tally for a halt condition.
#[derive(Debug)]
pub(crate) struct HaltState {
    halt: Option<Halt>,
}

/// A share of very few jobs is no share: one failure of two is not "50 % fail".
const SHARE_NEEDS: u64 = 3;

impl HaltState {
    pub(crate) fn new(halt: Option<Halt>) -> Self {
        Self { halt }
    }

    /// What is to be done after a job has ended, once. `total` is the number of jobs, if known.
    pub(crate) fn after(&mut self, tally: Tally, total: Option<u64>) -> Option<Halt> {
        let halt = self.halt?;
        let ended = tally.done + tally.failed;
        let counted = match halt.on {
            HaltOn::Fail => tally.failed,
            HaltOn::Success => tally.done,
            HaltOn::Done => ended,
        };
        let reached = match halt.threshold {
            Threshold::Count(count) => counted >= count,
            Threshold::Share(share) => {
                let of = total.unwrap_or(ended).max(1) as f64;
                ended >= SHARE_NEEDS && counted > 0 && counted as f64 + 1e-9 >= share * of
            }
        };
        if reached { self.halt.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_conditions() {
        assert_eq!(
            Halt::parse("now,fail=1"),
            Ok(Some(Halt {
                when: HaltWhen::Now,
                on: HaltOn::Fail,
                threshold: Threshold::Count(1)
            }))
        );
        assert_eq!(
            Halt::parse("soon,done=10%"),
            Ok(Some(Halt {
                when: HaltWhen::Soon,
                on: HaltOn::Done,
                threshold: Threshold::Share(0.1)
            }))
        );
        assert_eq!(Halt::parse("never"), Ok(None));
        assert_eq!(Halt::parse("2"), Halt::parse("now,fail=1"));
        for bad in [
            "",
            "now",
            "now,fail",
            "now,fail=0",
            "now,fail=x",
            "later,fail=1",
            "soon,fail=200%",
            "soon,lost=1",
        ] {
            assert!(Halt::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn says_so_once() {
        let mut state = HaltState::new(Halt::parse("soon,fail=2").expect("reads"));
        assert!(state.after(Tally { done: 5, failed: 1 }, None).is_none());
        assert!(state.after(Tally { done: 5, failed: 2 }, None).is_some());
        assert!(state.after(Tally { done: 5, failed: 3 }, None).is_none());
    }

    #[test]
    fn shares_are_of_the_total_once_known() {
        let state = || HaltState::new(Halt::parse("soon,fail=50%").expect("reads"));
        assert!(
            state().after(Tally { done: 0, failed: 2 }, None).is_none(),
            "too few to tell"
        );
        assert!(state().after(Tally { done: 1, failed: 3 }, None).is_some());
        assert!(
            state()
                .after(Tally { done: 1, failed: 3 }, Some(100))
                .is_none()
        );
        assert!(
            state()
                .after(
                    Tally {
                        done: 1,
                        failed: 50
                    },
                    Some(100)
                )
                .is_some()
        );
    }
}
