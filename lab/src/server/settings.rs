//! What a server can be told about its behaviour, from the start or midway.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::curve::{Curve, Usl};
use crate::quantity::{QuantityError, size, time};

/// How a server behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// What a request takes at full speed.
    pub latency: Duration,
    /// How much that varies: its standard deviation in proportion to it. It is lognormal.
    pub jitter: f64,
    /// How requests slow each other down.
    pub curve: Curve,
    /// With so many in service, further ones are rejected.
    pub reject_above: Option<u32>,
    /// Requests a second that are let in.
    pub rate: Option<f64>,
    /// Bytes of an answer.
    pub size: u64,
}

/// One of the settings with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// `latency=50ms`
    Latency(Duration),
    /// `jitter=0.5`
    Jitter(f64),
    /// `capacity=20` or `capacity=none`
    Capacity(Option<u32>),
    /// `usl=0.02/0.0006` or `usl=none`
    Usl(Option<Usl>),
    /// `reject-above=10` or `reject-above=none`
    RejectAbove(Option<u32>),
    /// `rate=100` or `rate=none`
    Rate(Option<f64>),
    /// `size=64k`
    Size(u64),
}

/// Why a setting cannot be taken.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    /// There is no `=`.
    #[error("{0:?} sets nothing: write KEY=VALUE, e.g. capacity=10")]
    NoValue(String),
    /// No such key.
    #[error(
        "there is no setting {0:?}: take latency, jitter, capacity, usl, reject-above, rate or size"
    )]
    Unknown(String),
    /// No number, or not one of those that make sense.
    #[error("{value:?} is no value for {key}: give {wanted}")]
    Number {
        /// The setting.
        key: &'static str,
        /// What was written.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// No time or size.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
}

impl FromStr for Setting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| SettingError::NoValue(text.to_owned()))?;
        Ok(match key {
            "latency" => Self::Latency(time(value)?),
            "jitter" => Self::Jitter(reading::jitter(value)?),
            "capacity" => Self::Capacity(optional(value, reading::capacity)?),
            "usl" => Self::Usl(optional(value, reading::usl)?),
            "reject-above" => Self::RejectAbove(optional(value, reading::reject_above)?),
            "rate" => Self::Rate(optional(value, reading::rate)?),
            "size" => Self::Size(size(value)?),
            _ => return Err(SettingError::Unknown(key.to_owned())),
        })
    }
}

impl Settings {
    /// Takes one setting over.
    pub fn apply(&mut self, setting: Setting) {
        match setting {
            Setting::Latency(latency) => self.latency = latency,
            Setting::Jitter(jitter) => self.jitter = jitter,
            Setting::Capacity(capacity) => self.curve.capacity = capacity,
            Setting::Usl(usl) => self.curve.usl = usl,
            Setting::RejectAbove(above) => self.reject_above = above,
            Setting::Rate(rate) => self.rate = rate,
            Setting::Size(size) => self.size = size,
        }
    }
}

fn optional<T>(
    value: &str,
    read: impl Fn(&str) -> Result<T, SettingError>,
) -> Result<Option<T>, SettingError> {
    (value != "none").then(|| read(value)).transpose()
}

/// Reading single values, for flags of the same names.
pub mod reading {
    use super::{SettingError, Usl};

    /// Reads `--capacity`.
    pub fn capacity(value: &str) -> Result<u32, SettingError> {
        count("capacity", value)
    }

    /// Reads `--reject-above`.
    pub fn reject_above(value: &str) -> Result<u32, SettingError> {
        count("reject-above", value)
    }

    /// Reads `--jitter`.
    pub fn jitter(value: &str) -> Result<f64, SettingError> {
        let number = finite(value).filter(|&number| number >= 0.0);
        number.ok_or_else(|| refused("jitter", value, "a number from 0, e.g. 0.5"))
    }

    /// Reads `--rate`, in requests a second.
    pub fn rate(value: &str) -> Result<f64, SettingError> {
        let number = finite(value.strip_suffix("/s").unwrap_or(value));
        let wanted = "requests a second above 0, e.g. 100 or 0.5/s";
        number
            .filter(|&number| number > 0.0)
            .ok_or_else(|| refused("rate", value, wanted))
    }

    /// Reads `--usl`, as `SIGMA,KAPPA` or `SIGMA/KAPPA`.
    pub fn usl(value: &str) -> Result<Usl, SettingError> {
        let read = || {
            let (sigma, kappa) = value.split_once([',', '/'])?;
            Some(Usl {
                sigma: finite(sigma).filter(|&sigma| sigma >= 0.0)?,
                kappa: finite(kappa).filter(|&kappa| kappa >= 0.0)?,
            })
        };
        read().ok_or_else(|| refused("usl", value, "two numbers from 0, e.g. 0.02,0.0006"))
    }

    fn count(key: &'static str, value: &str) -> Result<u32, SettingError> {
        let number = value.parse().ok().filter(|&number| number > 0);
        number.ok_or_else(|| refused(key, value, "a number from 1"))
    }

    fn finite(text: &str) -> Option<f64> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn refused(key: &'static str, value: &str, wanted: &'static str) -> SettingError {
        let value = value.to_owned();
        SettingError::Number { key, value, wanted }
    }
}
