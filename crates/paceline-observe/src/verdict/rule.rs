//! A rule as data: borders on numbers, and what to say once all are met.

use super::facts::Facts;
use super::words;
use super::{Cause, Prescription};

/// One way to recognise a cause.
pub(super) struct Rule {
    /// The cause.
    pub(super) cause: Cause,
    /// All of them have to hold.
    pub(super) borders: &'static [Border],
    /// How sure it makes us if every border is far away, from 0 to 1.
    pub(super) weight: f64,
    /// The cause in one sentence, with names and numbers.
    pub(super) sentence: fn(&Facts<'_>) -> String,
    /// What to do about it.
    pub(super) prescribe: fn(&Facts<'_>) -> Prescription,
}

/// A number and where it has to lie.
pub(super) struct Border {
    /// The number in words, to stand after its value: "of the time a thread waits for a lock".
    pub(super) what: &'static str,
    /// The number.
    pub(super) value: fn(&Facts<'_>) -> f64,
    /// The side of the border on which it has to lie. On the border it counts as above.
    pub(super) side: Side,
    /// The border.
    pub(super) at: f64,
    /// How far from the border nothing is left to doubt.
    pub(super) width: f64,
    /// How to write the number.
    pub(super) unit: Unit,
}

/// A side of a border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    AtLeast,
    Below,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// "47 %".
    Share,
    /// "3.2".
    Number,
    /// "12 ms", from seconds.
    Seconds,
    /// Not at all: a condition that is no evidence by itself.
    Unsaid,
}

impl Border {
    /// A share that has to be large enough.
    pub(super) const fn share_at_least(
        at: f64,
        what: &'static str,
        value: fn(&Facts<'_>) -> f64,
    ) -> Self {
        Self {
            what,
            value,
            side: Side::AtLeast,
            at,
            width: SHARE_WIDTH,
            unit: Unit::Share,
        }
    }

    /// A share that has to be small enough.
    pub(super) const fn share_below(
        at: f64,
        what: &'static str,
        value: fn(&Facts<'_>) -> f64,
    ) -> Self {
        Self {
            what,
            value,
            side: Side::Below,
            at,
            width: SHARE_WIDTH,
            unit: Unit::Share,
        }
    }

    /// A number that has to be large enough; at the border and a half nothing is left to doubt.
    pub(super) const fn at_least(
        at: f64,
        what: &'static str,
        value: fn(&Facts<'_>) -> f64,
    ) -> Self {
        Self {
            what,
            value,
            side: Side::AtLeast,
            at,
            width: at / 2.0,
            unit: Unit::Number,
        }
    }

    /// A number that has to be small enough; at half the border nothing is left to doubt.
    pub(super) const fn below(at: f64, what: &'static str, value: fn(&Facts<'_>) -> f64) -> Self {
        Self {
            what,
            value,
            side: Side::Below,
            at,
            width: at / 2.0,
            unit: Unit::Number,
        }
    }

    /// The same, written as seconds.
    pub(super) const fn in_seconds(self) -> Self {
        Self {
            unit: Unit::Seconds,
            ..self
        }
    }

    /// The same, left out of the evidence.
    pub(super) const fn unsaid(self) -> Self {
        Self {
            unit: Unit::Unsaid,
            ..self
        }
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        let value = (self.value)(facts);
        match self.side {
            Side::AtLeast => value >= self.at,
            Side::Below => value < self.at,
        }
    }

    /// How far the number is from the border, from 0 to 1.
    fn distance(&self, facts: &Facts<'_>) -> f64 {
        // A border that no share can lie far from is not to blame for being near.
        let room = match (self.side, self.unit) {
            (Side::AtLeast, Unit::Share) => self.width.min((1.0 - self.at).max(f64::EPSILON)),
            _ => self.width,
        };
        let distance = ((self.value)(facts) - self.at).abs() / room;
        if distance.is_finite() {
            distance.clamp(0.0, 1.0)
        } else {
            1.0
        }
    }

    fn evidence(&self, facts: &Facts<'_>) -> Option<String> {
        let write: fn(f64) -> String = match self.unit {
            Unit::Share => words::percent,
            Unit::Number => words::number,
            Unit::Seconds => words::seconds,
            Unit::Unsaid => return None,
        };
        let than = match self.side {
            Side::AtLeast => "at least",
            Side::Below => "below",
        };
        Some(format!(
            "{} {} ({than} {})",
            write((self.value)(facts)),
            self.what,
            write(self.at)
        ))
    }
}

/// A share this far from its border is beyond doubt.
const SHARE_WIDTH: f64 = 0.15;

impl Rule {
    pub(super) fn matches(&self, facts: &Facts<'_>) -> bool {
        self.borders.iter().all(|border| border.holds(facts))
    }

    /// From half its weight, if it lies on a border, to the whole, if it is far from all.
    pub(super) fn confidence(&self, facts: &Facts<'_>) -> f64 {
        let nearest = self
            .borders
            .iter()
            .map(|border| border.distance(facts))
            .fold(1.0, f64::min);
        self.weight * (0.5 + 0.5 * nearest)
    }

    pub(super) fn evidence(&self, facts: &Facts<'_>) -> Vec<String> {
        self.borders
            .iter()
            .filter_map(|border| border.evidence(facts))
            .collect()
    }
}
