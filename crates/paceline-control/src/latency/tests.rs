//! A server in made-up time, with more requests than it can answer.

use super::*;

const STEP: Duration = Duration::from_millis(1);

/// A server whose `n` requests in flight each make progress at rate `rate(n)`, and arrivals that
/// are refused beyond the limit.
struct Server<R, L> {
    controller: Latency,
    rate: R,
    /// Seconds of work of the n-th request.
    length: L,
    arrivals: u64,
    now: Duration,
    /// When each began, and what is left of it in seconds.
    in_flight: Vec<(u64, Duration, f64)>,
    answered: u64,
    refused: u64,
    seconds: f64,
    lowest: usize,
}

impl<R: Fn(usize) -> f64, L: Fn(u64) -> f64> Server<R, L> {
    fn new(rate: R, length: L) -> Self {
        Self {
            controller: Latency::new(Bounds::default()),
            rate,
            length,
            arrivals: 0,
            now: Duration::ZERO,
            in_flight: Vec::new(),
            answered: 0,
            refused: 0,
            seconds: 0.0,
            lowest: usize::MAX,
        }
    }

    /// Runs on with so many arrivals a second; counts anew.
    fn run(&mut self, seconds: u64, arrivals: f64) {
        (self.answered, self.refused, self.seconds) = (0, 0, 0.0);
        self.lowest = usize::MAX;
        let mut due = 0.0;
        for _ in 0..seconds * 1000 {
            self.now += STEP;
            let done = (self.rate)(self.in_flight.len()) * STEP.as_secs_f64();
            for request in &mut self.in_flight {
                request.2 -= done;
            }
            let now = self.now;
            let ended: Vec<_> = self
                .in_flight
                .extract_if(.., |request| request.2 <= 0.0)
                .collect();
            for (job, began, _) in ended {
                let wall = now.saturating_sub(began);
                self.answered += 1;
                self.seconds += wall.as_secs_f64();
                let attempt = Attempt {
                    outcome: Outcome::Done,
                    wall,
                    cpu: Duration::ZERO,
                    run_queue_delay: None,
                    peak_rss_bytes: 0,
                };
                self.controller.on(now, Event::Finished { job, attempt });
            }
            due += arrivals * STEP.as_secs_f64();
            while due >= 1.0 {
                due -= 1.0;
                self.arrivals += 1;
                if self.in_flight.len() < self.controller.limit() {
                    let job = self.arrivals;
                    self.controller.on(now, Event::Started { job });
                    self.in_flight.push((job, now, (self.length)(job)));
                } else {
                    self.refused += 1;
                }
            }
            self.lowest = self.lowest.min(self.controller.limit());
        }
    }

    fn mean(&self) -> f64 {
        self.seconds / self.answered.max(1) as f64
    }
}

/// Cores that are shared among all.
fn cores(cores: f64) -> impl Fn(usize) -> f64 {
    move |n| (cores / n.max(1) as f64).min(1.0)
}

#[test]
fn under_overload_answers_stay_quick_and_the_cores_busy() {
    for (count, length) in [(2.0, 0.05), (16.0, 0.02), (64.0, 0.1)] {
        let mut server = Server::new(cores(count), |_| length);
        let capacity = count / length;
        server.run(2, 0.5 * capacity);
        server.run(30, 0.5 * capacity);
        assert_eq!(server.refused, 0, "{count} cores");
        server.run(20, 4.0 * capacity);
        server.run(60, 4.0 * capacity);
        let done = server.answered as f64 / (60.0 * capacity);
        assert!(done > 0.95, "{count} cores: {done:.2} of the capacity");
        let slower = server.mean() / length;
        assert!(slower < 2.5, "{count} cores: {slower:.2} times as long");
    }
}

#[test]
fn a_server_that_only_waits_gets_all_there_is() {
    let mut server = Server::new(|_| 1.0, |_| 0.2);
    server.run(10, 5000.0);
    server.run(30, 5000.0);
    assert_eq!(server.refused, 0, "limit {}", server.controller.limit());
}

#[test]
fn a_mix_of_short_and_long_requests_is_not_pressed_down() {
    // One in ten takes a hundred times as long; they share nothing.
    let mut server = Server::new(|_| 1.0, |job| if job % 10 == 0 { 0.5 } else { 0.005 });
    server.run(20, 1000.0);
    server.run(60, 1000.0);
    let refused = server.refused as f64 / (server.refused + server.answered) as f64;
    assert!(
        refused < 0.01,
        "{refused}, limit {}",
        server.controller.limit()
    );
}

#[test]
fn a_server_that_became_slower_in_itself_is_not_pressed_down() {
    let slow = std::cell::Cell::new(0.01);
    let mut server = Server::new(|_| 1.0, |_| slow.get());
    server.run(20, 2000.0);
    slow.set(0.1);
    server.run(20, 2000.0);
    server.run(30, 2000.0);
    let refused = server.refused as f64 / (server.refused + server.answered) as f64;
    assert!(
        refused < 0.02,
        "{refused}, limit {}",
        server.controller.limit()
    );
}

#[test]
fn a_server_that_lost_cores_is_given_less() {
    let count = std::cell::Cell::new(32.0);
    let mut server = Server::new(|n| (count.get() / n.max(1) as f64).min(1.0), |_| 0.05);
    server.run(30, 2000.0);
    let before = server.controller.limit();
    count.set(4.0);
    server.run(60, 2000.0);
    let after = server.controller.limit();
    assert!(after * 3 < before, "{before} before, {after} after");
}

#[test]
fn refusals_of_the_service_lower_it() {
    let mut controller = Latency::new(Bounds::default());
    let mut now = Duration::ZERO;
    for job in 0..200 {
        controller.on(now, Event::Started { job });
        now += Duration::from_millis(10);
        let attempt = Attempt {
            outcome: Outcome::Busy,
            wall: Duration::from_millis(10),
            cpu: Duration::ZERO,
            run_queue_delay: None,
            peak_rss_bytes: 0,
        };
        controller.on(now, Event::Finished { job, attempt });
    }
    assert!(controller.limit() <= 10, "{}", controller.limit());
}

#[test]
fn bounds_hold_whatever_comes() {
    let bounds = Bounds {
        min: 3,
        max: Some(5),
    };
    let mut server = Server::new(cores(1.0), |_| 0.05);
    server.controller = Latency::new(bounds);
    server.run(60, 500.0);
    assert!((3..=5).contains(&server.controller.limit()));
    assert!(server.lowest >= 3);
}
