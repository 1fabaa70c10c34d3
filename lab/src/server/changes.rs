//! Settings that change midway: `--change-at 500:capacity=10,latency=80ms`.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::settings::{Setting, SettingError};
use crate::quantity::time;

/// When a change comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// After so many requests have been served.
    Served(u64),
    /// So long after the first request.
    After(Duration),
}

/// A change of settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When it comes.
    pub when: When,
    /// What changes.
    pub settings: Vec<Setting>,
}

/// Why a change cannot be taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// There is no `:`.
    #[error("{0:?} is no change: write WHEN:KEY=VALUE,…, e.g. 500:capacity=10 or 3s:latency=80ms")]
    Form(String),
    /// Neither a count nor a time.
    #[error("{0:?} says not when: give a count of requests (500) or a time with its unit (3s)")]
    When(String),
    /// What is to change.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Self, ChangeError> {
        let (when, settings) = text
            .split_once(':')
            .ok_or_else(|| ChangeError::Form(text.to_owned()))?;
        let when = match when.parse() {
            Ok(count) => When::Served(count),
            Err(_) => When::After(time(when).map_err(|_| ChangeError::When(when.to_owned()))?),
        };
        let settings = settings
            .split(',')
            .map(str::parse)
            .collect::<Result<_, SettingError>>()?;
        Ok(Self { when, settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Usl;

    #[test]
    fn reads_changes() {
        let change: Change = "500:capacity=10,usl=0.1/0.01,latency=80ms"
            .parse()
            .expect("this is a change");
        assert_eq!(change.when, When::Served(500));
        let usl = Usl {
            sigma: 0.1,
            kappa: 0.01,
        };
        assert_eq!(
            change.settings,
            [
                Setting::Capacity(Some(10)),
                Setting::Usl(Some(usl)),
                Setting::Latency(Duration::from_millis(80)),
            ]
        );
        let change: Change = "1.5s:reject-above=none".parse().expect("this is a change");
        assert_eq!(change.when, When::After(Duration::from_millis(1500)));
        assert_eq!(change.settings, [Setting::RejectAbove(None)]);
    }

    #[test]
    fn refuses_what_is_none() {
        for wrong in [
            "500",
            ":capacity=1",
            "soon:capacity=1",
            "5:capacity",
            "5:capacity=0",
            "5:speed=9",
            "5:usl=1",
            "5:rate=0",
            "5:jitter=nan",
        ] {
            assert!(wrong.parse::<Change>().is_err(), "{wrong}");
        }
    }
}
