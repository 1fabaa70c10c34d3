//! The part of the wall of which the looks tell something.
//!
//! Children that live for some tens of milliseconds are met late or never. What is seen meanwhile is that
//! somebody waits for them, which says nothing about the work. Such moments are left out, as if the rest of
//! them were like those in which a child was met.

use super::Children;
use crate::profile::{ByClass, Class, Profile};

/// With less of the wall than this to tell, nothing is left out.
const LEAST: f64 = 0.05;

/// The part of the wall that tells something, from [`LEAST`] to 1.
#[derive(Clone, Copy, Debug)]
pub(in crate::verdict) struct Told(f64);

impl Told {
    /// Takes waits for fleeting children out of `foremost`. `busy` is the share of the wall with compute,
    /// input or output.
    pub(super) fn by(
        profile: &Profile,
        foremost: &mut ByClass<f64>,
        children: &Children,
        busy: f64,
    ) -> Self {
        let untold = foremost[Class::Child].min(1.0 - busy);
        let told = 1.0 - untold;
        if !children.fleeting || profile.wall.is_zero() || told < LEAST || untold <= 0.0 {
            return Self(1.0);
        }
        foremost[Class::Child] = 0.0;
        Self(told)
    }

    /// A share of the whole wall as one of the part that tells something.
    pub(super) fn of_wall(self, share: f64) -> f64 {
        super::ratio(share, self.0).min(1.0)
    }

    /// How many there would be in the whole wall of something that was counted in this part.
    pub(in crate::verdict) fn in_all(self, count: f64) -> f64 {
        count / self.0
    }
}
