//! The Universal Scalability Law, fitted to measured throughputs.
//!
//! Throughput at level n is X(n) = λn ÷ (1 + σ(n − 1) + κn(n − 1)): λ is what one job gets done
//! alone, σ the part that has to queue for something shared (contention), κ what every pair costs
//! each other (coherency). With κ > 0 there is a level beyond which more jobs get less done.
//! Source: N. J. Gunther, "A General Theory of Computational Scalability Based on Rational
//! Functions" (2008).
//!
//! n ÷ X(n) is linear in 1, n − 1 and n(n − 1), so the fit is a weighted least-squares problem
//! with three unknowns, none of which may be negative.

/// The parameters of the law.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Usl {
    /// λ: throughput of one job alone, in jobs per second.
    pub lambda: f64,
    /// σ: the share of the work that queues; 0 if none.
    pub sigma: f64,
    /// κ: the cost of each pair of jobs; 0 if none.
    pub kappa: f64,
}

/// A throughput measured at a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Jobs in flight.
    pub level: f64,
    /// Jobs per second.
    pub throughput: f64,
    /// How much this point counts; the inverse square of its relative error, or any multiple.
    pub weight: f64,
}

impl Usl {
    /// The law that lies nearest to the points, in relative error. `None` for fewer than three
    /// different levels or points that no such law describes.
    pub fn fit(points: &[Measured]) -> Option<Self> {
        let usable = |p: &&Measured| {
            p.level >= 1.0
                && p.throughput > 0.0
                && p.weight > 0.0
                && (p.level / p.throughput).is_finite()
        };
        let points: Vec<Measured> = points.iter().filter(usable).copied().collect();
        let mut levels: Vec<f64> = points.iter().map(|p| p.level).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        if levels.len() < 3 {
            return None;
        }
        // Which of σ and κ are free; the best of those whose solution has no negative part.
        [[true, true], [true, false], [false, true], [false, false]]
            .into_iter()
            .filter_map(|free| solve(&points, free))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(law, _)| law)
    }

    /// Jobs per second at a level.
    pub fn throughput(&self, level: f64) -> f64 {
        let others = level - 1.0;
        self.lambda * level / (1.0 + self.sigma * others + self.kappa * level * others)
    }

    /// The level with the highest throughput; `None` if more is always better.
    pub fn peak(&self) -> Option<f64> {
        let level = ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt();
        (self.kappa > 0.0 && level.is_finite()).then_some(level.max(1.0))
    }

    /// The least level up to `most` that reaches this share of the best throughput up to there:
    /// beyond it, more jobs gain little.
    pub fn knee(&self, share: f64, most: f64) -> f64 {
        let top = self.peak().unwrap_or(most).clamp(1.0, most.max(1.0));
        let wanted = share * self.throughput(top);
        let (mut low, mut high) = (1.0, top);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.throughput(middle) < wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }
}

/// Least squares with some parameters held at zero; the sum of squares besides.
fn solve(points: &[Measured], [sigma, kappa]: [bool; 2]) -> Option<(Usl, f64)> {
    let columns: Vec<fn(f64) -> f64> = [
        Some((|_| 1.0) as fn(f64) -> f64),
        sigma.then_some(|n| n - 1.0),
        kappa.then_some(|n| n * (n - 1.0)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let size = columns.len();
    let mut matrix = [[0.0; 4]; 3];
    for point in points {
        let target = point.level / point.throughput;
        // Dividing by the target makes all errors relative.
        let weight = point.weight / (target * target);
        for i in 0..size {
            let scaled = weight * columns[i](point.level);
            for j in 0..size {
                matrix[i][j] += scaled * columns[j](point.level);
            }
            matrix[i][3] += scaled * target;
        }
    }
    let solution = eliminate(matrix, size)?;
    let first = solution[0];
    let mut rest = solution[1..].iter().copied();
    let mut part = |free: bool| {
        if free {
            rest.next().unwrap_or(0.0)
        } else {
            0.0
        }
    };
    let (b, c) = (part(sigma), part(kappa));
    if first <= 0.0 || b < 0.0 || c < 0.0 {
        return None;
    }
    let law = Usl {
        lambda: 1.0 / first,
        sigma: b / first,
        kappa: c / first,
    };
    let squares = points
        .iter()
        .map(|p| p.weight * (law.throughput(p.level) / p.throughput).ln().powi(2))
        .sum();
    Some((law, squares))
}

/// Solves the first `size` equations of `matrix`, whose last column is the right-hand side.
fn eliminate(mut matrix: [[f64; 4]; 3], size: usize) -> Option<[f64; 3]> {
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        matrix.swap(column, pivot);
        let head = matrix[column][column];
        if head.abs() < 1e-300 {
            return None;
        }
        matrix[column].iter_mut().for_each(|value| *value /= head);
        let row = matrix[column];
        for (other, values) in matrix.iter_mut().enumerate().take(size) {
            if other != column {
                let factor = values[column];
                values
                    .iter_mut()
                    .zip(row)
                    .for_each(|(value, head)| *value -= factor * head);
            }
        }
    }
    let solution = [matrix[0][3], matrix[1][3], matrix[2][3]];
    solution[..size]
        .iter()
        .all(|value| value.is_finite())
        .then_some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(law: Usl, levels: &[u32]) -> Vec<Measured> {
        let point = |&level: &u32| Measured {
            level: level.into(),
            throughput: law.throughput(level.into()),
            weight: 1.0,
        };
        levels.iter().map(point).collect()
    }

    #[test]
    fn finds_the_law_that_made_the_points() {
        for (sigma, kappa) in [
            (0.02, 0.0006),
            (0.05, 0.004),
            (0.1, 0.0),
            (0.0, 0.01),
            (0.0, 0.0),
        ] {
            let law = Usl {
                lambda: 20.0,
                sigma,
                kappa,
            };
            let found = Usl::fit(&points(law, &[2, 8, 16, 64])).expect("a law");
            assert!((found.lambda / 20.0 - 1.0).abs() < 1e-6, "{found:?}");
            assert!((found.sigma - sigma).abs() < 1e-7, "{found:?}");
            assert!((found.kappa - kappa).abs() < 1e-7, "{found:?}");
        }
    }

    #[test]
    fn peak_and_knee() {
        let law = Usl {
            lambda: 1.0,
            sigma: 0.05,
            kappa: 0.004,
        };
        let peak = law.peak().expect("a peak");
        assert!((peak - 15.41).abs() < 0.01, "{peak}");
        assert!(law.throughput(peak) > law.throughput(peak - 1.0));
        assert!(law.throughput(peak) > law.throughput(peak + 1.0));
        let knee = law.knee(0.95, 100.0);
        assert!(knee < peak && law.throughput(knee) >= 0.95 * law.throughput(peak) - 1e-9);
        let linear = Usl {
            sigma: 0.0,
            kappa: 0.0,
            ..law
        };
        assert_eq!(linear.peak(), None);
        assert!((linear.knee(0.5, 100.0) - 50.0).abs() < 1e-6);
        assert!((linear.knee(0.5, 0.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn too_little_or_nonsense_is_no_law() {
        let law = Usl {
            lambda: 1.0,
            sigma: 0.1,
            kappa: 0.0,
        };
        assert_eq!(Usl::fit(&points(law, &[4, 8])), None);
        assert_eq!(Usl::fit(&points(law, &[4, 8, 8, 4])), None);
        let mut bad = points(law, &[1, 2, 3]);
        bad[1].throughput = f64::NAN;
        assert_eq!(Usl::fit(&bad), None);
        assert_eq!(Usl::fit(&[]), None);
    }

    #[test]
    fn better_than_linear_is_taken_for_linear() {
        let point = |level: f64, throughput| Measured {
            level,
            throughput,
            weight: 1.0,
        };
        let law = Usl::fit(&[point(1.0, 1.0), point(2.0, 2.2), point(4.0, 4.6)]).expect("a law");
        assert_eq!((law.sigma, law.kappa), (0.0, 0.0));
    }
}
