//! `-j`: how many jobs at once.

use std::str::FromStr;

use paceline_control::{Auto, Bounds, Controller, Fixed, Learned, Resources};
use paceline_observe::Memory;
use paceline_run::spawn::ProcessLimits;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Level {
    Auto,
    Jobs(usize),
    ShareOfCores(f64),
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("{text:?} is not a level: give a number from 1, a share such as 50%, or auto")
        };
        if text == "auto" {
            return Ok(Self::Auto);
        }
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.parse::<f64>() {
                Ok(percent) if percent > 0.0 && percent.is_finite() => {
                    Ok(Self::ShareOfCores(percent / 100.0))
                }
                _ => Err(expected()),
            };
        }
        match text.parse() {
            Ok(0) => Err(
                "a level of 0 would never run anything: give a number from 1, or auto".to_owned(),
            ),
            Ok(jobs) => Ok(Self::Jobs(jobs)),
            Err(_) => Err(expected()),
        }
    }
}

impl Level {
    /// The controller that gives it; one that finds it begins where an earlier run has ended.
    pub(crate) fn controller(
        self,
        bounds: Bounds,
        limits: ProcessLimits,
        learned: Option<&Learned>,
    ) -> Box<dyn Controller> {
        let resources = resources(limits);
        match self {
            // More could not be started anyhow.
            Self::Jobs(jobs) => Box::new(Fixed::new(jobs.min(limits.descriptor_jobs))),
            Self::ShareOfCores(share) => Box::new(Fixed::new(
                ((share * resources.cores) as usize).clamp(1, limits.descriptor_jobs),
            )),
            Self::Auto => {
                let auto = Auto::new(resources, bounds);
                Box::new(match learned {
                    Some(learned) => auto.remembering(learned),
                    None => auto,
                })
            }
        }
    }
}

/// What this machine has to give.
pub(crate) fn resources(limits: ProcessLimits) -> Resources {
    Resources {
        cores: paceline_observe::cores(),
        memory_bytes: Memory::of_this_process().limit_bytes(),
        descriptor_jobs: limits.descriptor_jobs,
        process_jobs: limits.process_jobs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_levels() {
        assert_eq!("auto".parse(), Ok(Level::Auto));
        assert_eq!("12".parse(), Ok(Level::Jobs(12)));
        assert_eq!("150%".parse(), Ok(Level::ShareOfCores(1.5)));
        for bad in ["0", "-1", "0%", "x", "", "1.5", "%"] {
            assert!(bad.parse::<Level>().is_err(), "{bad}");
        }
    }
}
