//! How fast each of `n` requests is served when `n` are served at once.

/// The Universal Scalability Law: what contention and agreement between requests cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Contention, per other request.
    pub sigma: f64,
    /// Coherency, per pair of requests.
    pub kappa: f64,
}

impl Usl {
    /// The speed of each of `n` requests; alone it is 1.
    fn speed(self, n: f64) -> f64 {
        1.0 / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }
}

/// A server's curve. The default one is never slower, however many are served.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Curve {
    /// So many are served at full speed; more share that.
    pub capacity: Option<u32>,
    /// What else slows requests down.
    pub usl: Option<Usl>,
    /// With a capacity, `usl` is about the requests beyond it only.
    pub usl_beyond_capacity: bool,
}

impl Curve {
    /// The speed of each request when `n` are served at once; 1 is full speed.
    pub fn speed(&self, n: usize) -> f64 {
        let n = n.max(1) as f64;
        let capacity = self.capacity.map_or(f64::INFINITY, f64::from);
        let contenders = if self.usl_beyond_capacity && self.capacity.is_some() {
            1.0 + (n - capacity).max(0.0)
        } else {
            n
        };
        (capacity / n).min(1.0) * self.usl.map_or(1.0, |usl| usl.speed(contenders))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests a second that `curve` serves, if each takes a second alone.
    fn rate(curve: &Curve, n: usize) -> f64 {
        n as f64 * curve.speed(n)
    }

    fn same(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn without_limits_every_request_has_full_speed() {
        assert!(same(rate(&Curve::default(), 1000), 1000.0));
    }

    #[test]
    fn a_capacity_is_shared() {
        let curve = Curve {
            capacity: Some(10),
            ..Curve::default()
        };
        assert!(same(rate(&curve, 5), 5.0));
        assert!(same(rate(&curve, 10), 10.0));
        assert!(same(rate(&curve, 40), 10.0));
    }

    #[test]
    fn the_law_has_its_peak_where_it_says() {
        let curve = Curve {
            usl: Some(Usl {
                sigma: 0.02,
                kappa: 0.0006,
            }),
            ..Curve::default()
        };
        let best = (1..200)
            .max_by(|&a, &b| rate(&curve, a).total_cmp(&rate(&curve, b)))
            .expect("the range is not empty");
        // sqrt((1 − σ) / κ)
        assert_eq!(best, 40);
    }

    #[test]
    fn the_law_can_begin_beyond_the_capacity() {
        let curve = Curve {
            capacity: Some(20),
            usl: Some(Usl {
                sigma: 0.02,
                kappa: 0.001,
            }),
            usl_beyond_capacity: true,
        };
        assert!(same(rate(&curve, 20), 20.0));
        assert!(rate(&curve, 40) < 12.0);
    }
}
