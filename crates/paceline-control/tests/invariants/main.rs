//! What holds for every order of events, however absurd.

mod events;
mod witness;

use std::time::Duration;

use paceline_control::{Auto, Bounds, Controller, Event, Fixed, Measured, Resources, Usl};
use proptest::prelude::*;

use events::{absurd, bounds, count, learned, number, plausible, resources};
use witness::Witness;

/// Nothing but the controller itself stands in the way.
const ROOMY: Resources = Resources {
    cores: 4.0,
    memory_bytes: 1 << 30,
    descriptor_jobs: 5000,
    process_jobs: 5000,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(
        resources in resources(),
        bounds in bounds(),
        learned in proptest::option::of(learned()),
        events in absurd(),
        lazy in any::<bool>(),
    ) {
        let mut witness = Witness::new(resources, bounds, learned.as_ref());
        for (now, event) in events {
            // A lazy engine asks late what to shed; the jobs may have ended by then.
            let ask = !lazy || matches!(event, Event::Queue(_));
            witness.tell(now, event)?;
            if ask {
                witness.ask()?;
            }
        }
        witness.check_learned()?;
    }

    #[test]
    fn an_engine_that_keeps_to_its_part(
        bounds in bounds(),
        learned in proptest::option::of(learned()),
        actions in plausible(),
    ) {
        let mut witness = Witness::new(ROOMY, bounds, learned.as_ref());
        for action in actions {
            witness.act(action)?;
        }
        witness.check_learned()?;
    }

    #[test]
    fn a_refusal_is_obeyed_at_once(
        resources in resources(),
        bounds in bounds(),
        events in absurd(),
        in_flight in 0usize..1000,
    ) {
        let mut auto = Auto::new(resources, bounds);
        let mut last = Duration::ZERO;
        for (now, event) in events {
            auto.on(now, event);
            last = now;
        }
        auto.on(last, Event::SpawnRefused { in_flight });
        prop_assert!(auto.limit() <= (in_flight * 9 / 10).max(1));
    }

    #[test]
    fn the_users_lower_bound_yields_to_scarcity_alone(
        resources in resources(),
        bounds in bounds(),
        events in absurd(),
    ) {
        // With memory unknown, only refusals could lower the outer caps.
        let resources = Resources { memory_bytes: 0, ..resources };
        let unrefused = events.into_iter().filter(|(_, event)| {
            let refusal = matches!(event, Event::SpawnRefused { .. });
            let busy = matches!(event, Event::Finished { attempt, .. }
                if attempt.outcome == paceline_control::Outcome::Busy);
            !refusal && !busy
        });
        let mut auto = Auto::new(resources, bounds);
        for (now, event) in unrefused {
            auto.on(now, event);
            let top = auto.binding().0;
            prop_assert!(auto.limit() >= bounds.min.min(top));
        }
    }

    #[test]
    fn fixed_never_moves(limit in count(), events in absurd()) {
        let mut fixed = Fixed::new(limit);
        for (now, event) in events {
            prop_assert_eq!(fixed.on(now, event), None);
            prop_assert_eq!(fixed.limit(), limit.max(1));
        }
    }

    #[test]
    fn rises_are_bounded_and_never_come_right_after_a_cap_came_down(
        learned in proptest::option::of(learned()),
        actions in plausible(),
    ) {
        let mut witness = Witness::new(ROOMY, Bounds::default(), learned.as_ref());
        for action in actions {
            witness.act(action)?;
        }
        let mut fell = None;
        for decision in &witness.decisions {
            let label = decision.reason.label();
            if decision.limit > decision.was {
                // What held it down may go as suddenly as it came; the level is known, then.
                let leap = matches!(label, "room-again" | "shifted" | "last-jobs");
                let fourfold = decision.limit <= decision.was.saturating_mul(4);
                prop_assert!(leap || fourfold, "{decision:?}");
                let quiet = fell.map_or(Duration::MAX, |fell| decision.at.saturating_sub(fell));
                prop_assert!(quiet >= Duration::from_millis(100) , "{decision:?}");
            } else if ["cpu", "memory", "busy", "spawn-refused"].contains(&label) {
                fell = Some(decision.at);
            }
        }
    }

    #[test]
    fn a_law_is_finite_and_keeps_its_signs(
        points in proptest::collection::vec((number(), number(), number()), 0..12),
        level in 1.0f64..1e6,
    ) {
        let points: Vec<Measured> = points
            .into_iter()
            .map(|(level, throughput, weight)| Measured { level, throughput, weight })
            .collect();
        let Some(law) = Usl::fit(&points) else { return Ok(()) };
        prop_assert!(law.lambda > 0.0 && law.lambda.is_finite(), "{law:?}");
        prop_assert!(law.sigma >= 0.0 && law.sigma.is_finite(), "{law:?}");
        prop_assert!(law.kappa >= 0.0 && law.kappa.is_finite(), "{law:?}");
        prop_assert!(law.throughput(level) >= 0.0, "{law:?}");
        if let Some(peak) = law.peak() {
            prop_assert!(peak >= 1.0 && peak.is_finite(), "{law:?}");
        }
        let knee = law.knee(0.95, level);
        prop_assert!((1.0..=level).contains(&knee), "{law:?} {knee}");
    }

    #[test]
    fn a_law_is_found_again(
        lambda in 0.01f64..1000.0,
        sigma in 0.0f64..0.9,
        kappa in 0.0f64..0.1,
        levels in proptest::collection::btree_set(1u32..200, 3..10),
    ) {
        let law = Usl { lambda, sigma, kappa };
        let points: Vec<Measured> = levels
            .into_iter()
            .map(|level| Measured {
                level: level.into(),
                throughput: law.throughput(level.into()),
                weight: 1.0,
            })
            .collect();
        let found = Usl::fit(&points).expect("they follow a law");
        for point in points {
            let off = found.throughput(point.level) / point.throughput;
            prop_assert!((off - 1.0).abs() < 1e-3, "{law:?} {found:?}");
        }
    }
}
