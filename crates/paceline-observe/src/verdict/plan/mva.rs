//! Exact mean-value analysis of a closed system: `n` jobs that go round between one station with
//! several servers and a delay.
//!
//! M. Reiser and S. S. Lavenberg, "Mean-Value Analysis of Closed Multichain Queuing Networks",
//! Journal of the ACM 27(2), 1980; with marginal probabilities for the station with several servers.

/// Throughputs for 1, 2, … `jobs` jobs, in jobs per second.
///
/// `demand` is the seconds of a server that a job needs at each station, with its number of servers;
/// `delay` the seconds that it spends elsewhere without standing in anybody's way.
pub(super) fn throughputs(stations: &[Station], delay: f64, jobs: usize) -> Vec<f64> {
    let mut states: Vec<State> = stations
        .iter()
        .map(|station| State::empty(*station, jobs))
        .collect();
    let mut throughputs = Vec::with_capacity(jobs);
    for n in 1..=jobs {
        let stays: Vec<f64> = states.iter().map(State::residence).collect();
        let round: f64 = delay + stays.iter().sum::<f64>();
        let throughput = if round > 0.0 {
            n as f64 / round
        } else {
            f64::MAX
        };
        for (state, stay) in states.iter_mut().zip(stays) {
            state.arrive(throughput, stay);
        }
        throughputs.push(throughput);
    }
    throughputs
}

/// A resource for which jobs queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Station {
    /// Seconds of one server that a job needs.
    pub(super) demand: f64,
    /// How many jobs it serves at once.
    pub(super) servers: usize,
}

/// A station with some number of jobs in the system.
struct State {
    station: Station,
    /// Jobs there, on average.
    queue: f64,
    /// The probability of j jobs there, for j below the number of servers.
    idle: Vec<f64>,
}

impl State {
    fn empty(station: Station, jobs: usize) -> Self {
        // More servers than jobs serve like as many.
        let station = Station {
            servers: station.servers.clamp(1, jobs.max(1)),
            ..station
        };
        let mut idle = vec![0.0; station.servers];
        idle[0] = 1.0;
        Self {
            station,
            queue: 0.0,
            idle,
        }
    }

    /// How long the next job to come will stay.
    fn residence(&self) -> f64 {
        let servers = self.station.servers as f64;
        // Servers that stand free shorten the stay of whoever finds them.
        let free: f64 = self
            .idle
            .iter()
            .enumerate()
            .map(|(jobs, p)| (servers - 1.0 - jobs as f64).max(0.0) * p)
            .sum();
        self.station.demand / servers * (1.0 + self.queue + free)
    }

    /// One job more is in the system, which then has this throughput.
    fn arrive(&mut self, throughput: f64, stay: f64) {
        let servers = self.station.servers;
        let load = throughput * self.station.demand;
        self.queue = throughput * stay;
        for jobs in (1..servers).rev() {
            self.idle[jobs] = load / jobs as f64 * self.idle[jobs - 1];
        }
        let busy: f64 = (1..servers)
            .map(|jobs| (servers as f64 - jobs as f64) * self.idle[jobs])
            .sum();
        // The difference of numbers near 1 may fall below 0 when the station is full.
        self.idle[0] = (1.0 - (load + busy) / servers as f64).clamp(0.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn one(demand: f64) -> Station {
        Station { demand, servers: 1 }
    }

    /// E. D. Lazowska, J. Zahorjan, G. S. Graham, K. C. Sevcik, "Quantitative System Performance",
    /// 1984, section 6.4.2: a processor and two disks, users who think for 15 s.
    #[test]
    fn three_stations_as_in_the_textbook() {
        let got = throughputs(&[one(0.605), one(2.1), one(1.35)], 15.0, 3);
        for (got, textbook) in got.iter().zip([0.0525, 0.1031, 0.1515]) {
            assert!((got - textbook).abs() < 0.00005, "{got} is not {textbook}");
        }
    }

    /// Ibid., section 5.4: a balanced system of K stations does N / (N + K - 1) / D.
    #[test]
    fn a_balanced_system_follows_its_closed_form() {
        let got = throughputs(&[one(0.25); 4], 0.0, 50);
        for (n, got) in (1..=50).zip(got) {
            let closed = f64::from(n) / f64::from(n + 3) / 0.25;
            assert!((got - closed).abs() < 1e-9);
        }
    }

    /// The machine repairman with c repairmen, solved as a birth-death process.
    #[test]
    fn several_servers_agree_with_the_birth_death_process() {
        for (servers, demand, delay, jobs) in [
            (1, 1.0, 50.0, 60),
            (2, 0.5, 0.5, 8),
            (4, 1.0, 3.0, 30),
            (8, 2.0, 1.0, 20),
        ] {
            let got = throughputs(&[Station { demand, servers }], delay, jobs);
            let exact = birth_death(servers, demand, delay, jobs);
            assert!(
                (got[jobs - 1] - exact).abs() < 1e-6 * exact,
                "{} is not {exact}",
                got[jobs - 1]
            );
        }
    }

    fn birth_death(servers: usize, demand: f64, delay: f64, jobs: usize) -> f64 {
        let (mut weight, mut sum, mut rate) = (1.0, 1.0, 0.0);
        for k in 1..=jobs {
            let leaving = k.min(servers) as f64 / demand;
            weight *= (jobs - k + 1) as f64 / delay / leaving;
            sum += weight;
            rate += weight * leaving;
        }
        rate / sum
    }

    #[test]
    fn without_queueing_it_is_littles_law() {
        let got = throughputs(&[], 2.0, 6);
        assert!((got[5] - 3.0).abs() < 1e-12);
    }
}
