//! What jobs share, and how fast each gets on when many do.

use serde::Deserialize;

/// A resource that jobs go through: first a gate, then service shared by all inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Station {
    pub(super) kind: ResourceKind,
    pub(super) law: Law,
    /// Everything here takes so many times as long.
    pub(super) slowdown: f64,
    /// Jobs are let in at this rate, in order.
    pub(super) per_second: Option<f64>,
    /// So many are let in at once after a rest.
    pub(super) burst: f64,
    /// So many are served at once; the others wait in order.
    pub(super) slots: Option<f64>,
    /// Who would have to wait for that is told "busy" instead.
    pub(super) rejects_early: bool,
    /// With so many here, one more is told "busy".
    pub(super) reject_above: Option<f64>,
    /// Seconds until a job that is not let in ends.
    pub(super) reject_seconds: f64,
    /// Seconds that such a job rests before it is started again, doubled each time.
    pub(super) rest_seconds: f64,
}

/// What a resource is, and thereby how waiting for it looks from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ResourceKind {
    /// Threads run, or are ready to run.
    Cpu,
    /// Seen to wait for time to pass.
    Timer,
    /// Not seen at all, nor limited.
    Socket,
    /// Not seen at all.
    Remote,
    /// Threads sleep uninterruptibly.
    Disk,
    /// Not seen at all: mutual exclusion.
    Lock,
}

/// How fast each of `n` gets on, compared to one who is alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Law {
    /// Cores shared equally, and a bit lost by switching.
    Cpu { cores: f64 },
    /// The universal scalability law among those above a number, and a capacity.
    Shared {
        sigma: f64,
        kappa: f64,
        usl_above: f64,
        capacity: f64,
    },
    /// Total throughput rises to `peak` at `queue` jobs, by this power of their number, and then
    /// falls.
    Disk {
        queue: f64,
        peak: f64,
        growth: f64,
        thrash: f64,
    },
}

/// Part of a core's time that is lost for each other thread that wants the same core.
const SWITCHING: f64 = 0.03;

impl Law {
    /// How fast each of `n` threads gets on.
    pub(super) fn rate(&self, n: f64) -> f64 {
        match *self {
            Self::Cpu { cores } => self.on_core(n) / (1.0 + SWITCHING * (n / cores - 1.0).max(0.0)),
            Self::Shared {
                sigma,
                kappa,
                usl_above,
                capacity,
            } => {
                let m = (n - usl_above).max(0.0) + 1.0;
                let m = if usl_above == 0.0 { n.max(1.0) } else { m };
                let usl = 1.0 / (1.0 + sigma * (m - 1.0) + kappa * m * (m - 1.0));
                usl * (capacity / n.max(1.0)).min(1.0)
            }
            Self::Disk {
                queue,
                peak,
                growth,
                thrash,
            } => {
                if n <= queue {
                    peak * (n.max(1.0) / queue).powf(growth) / n.max(1.0)
                } else {
                    peak / (1.0 + thrash * (n - queue)) / n
                }
            }
        }
    }

    /// The part of the time that each of `n` threads is on a core.
    pub(super) fn on_core(&self, n: f64) -> f64 {
        match *self {
            Self::Cpu { cores } => (cores / n.max(f64::MIN_POSITIVE)).min(1.0),
            _ => 0.0,
        }
    }
}

impl Station {
    /// A station that does not limit anybody, or the disk and the cores with their own laws.
    pub(super) fn new(kind: ResourceKind) -> Self {
        let law = match kind {
            ResourceKind::Cpu => Law::Cpu { cores: 1.0 },
            ResourceKind::Disk => Law::Disk {
                queue: 1.0,
                peak: 1.0,
                growth: 1.0,
                thrash: 0.0,
            },
            _ => Law::Shared {
                sigma: 0.0,
                kappa: 0.0,
                usl_above: 0.0,
                capacity: f64::INFINITY,
            },
        };
        Self {
            kind,
            law,
            slowdown: 1.0,
            per_second: None,
            burst: 1.0,
            rejects_early: false,
            slots: (kind == ResourceKind::Lock).then_some(1.0),
            reject_above: None,
            reject_seconds: 0.005,
            rest_seconds: 0.1,
        }
    }
}

/// What can be said of a resource, at the start or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Parameters {
    pub(super) kind: Option<ResourceKind>,
    sigma: Option<f64>,
    kappa: Option<f64>,
    usl_above: Option<f64>,
    capacity: Option<f64>,
    queue: Option<f64>,
    peak: Option<f64>,
    growth: Option<f64>,
    thrash: Option<f64>,
    slowdown: Option<f64>,
    per_second: Option<f64>,
    burst: Option<f64>,
    rejects_early: Option<bool>,
    slots: Option<f64>,
    reject_above: Option<f64>,
    reject_seconds: Option<f64>,
    rest_seconds: Option<f64>,
}

impl Parameters {
    /// Whether these can be said of a resource of this kind.
    pub(super) fn fit(&self, kind: ResourceKind) -> Result<(), String> {
        let disk = kind == ResourceKind::Disk;
        let shared = matches!(kind, ResourceKind::Remote | ResourceKind::Lock);
        let allowed = [
            ("sigma", self.sigma, shared, 0.0),
            ("kappa", self.kappa, shared, 0.0),
            ("usl_above", self.usl_above, shared, 0.0),
            ("capacity", self.capacity, shared, f64::MIN_POSITIVE),
            ("queue", self.queue, disk, f64::MIN_POSITIVE),
            ("peak", self.peak, disk, f64::MIN_POSITIVE),
            ("growth", self.growth, disk, 0.0),
            ("thrash", self.thrash, disk, 0.0),
            ("slowdown", self.slowdown, true, f64::MIN_POSITIVE),
            ("per_second", self.per_second, shared, f64::MIN_POSITIVE),
            ("burst", self.burst, shared, 1.0),
            ("slots", self.slots, shared || disk, 1.0),
            ("reject_above", self.reject_above, shared, 1.0),
            ("reject_seconds", self.reject_seconds, shared, 0.0),
            ("rest_seconds", self.rest_seconds, shared, 0.0),
        ];
        if self.rejects_early.is_some() && !shared {
            return Err(format!("rejects_early means nothing for a {kind:?}").to_lowercase());
        }
        for (name, value, fits, least) in allowed {
            let Some(value) = value else { continue };
            if !fits {
                return Err(format!("{name} means nothing for a {kind:?}").to_lowercase());
            }
            if value.is_nan() || value < least {
                return Err(format!("{name} = {value} is too little"));
            }
        }
        Ok(())
    }

    /// Puts in what is given.
    pub(super) fn set(&self, station: &mut Station) {
        self.blend(&station.clone(), 1.0, station);
    }

    /// Puts in what is given, where `part` of the way from `before` has been gone.
    pub(super) fn blend(&self, before: &Station, part: f64, station: &mut Station) {
        let mix = |from: f64, to: Option<f64>, now: &mut f64| {
            if let Some(to) = to {
                // Infinity cannot be left bit by bit.
                *now = if part >= 1.0 || from.is_infinite() {
                    to
                } else {
                    from + (to - from) * part
                };
            }
        };
        let mix_if = |from: Option<f64>, to: Option<f64>, now: &mut Option<f64>| {
            if let Some(to) = to {
                let from = from.unwrap_or(to);
                *now = Some(from + (to - from) * part);
            }
        };
        match (&mut station.law, &before.law) {
            (
                Law::Shared {
                    sigma,
                    kappa,
                    usl_above,
                    capacity,
                },
                Law::Shared {
                    sigma: sigma_was,
                    kappa: kappa_was,
                    usl_above: above_was,
                    capacity: capacity_was,
                },
            ) => {
                mix(*sigma_was, self.sigma, sigma);
                mix(*kappa_was, self.kappa, kappa);
                mix(*above_was, self.usl_above, usl_above);
                mix(*capacity_was, self.capacity, capacity);
            }
            (
                Law::Disk {
                    queue,
                    peak,
                    growth,
                    thrash,
                },
                Law::Disk {
                    queue: queue_was,
                    peak: peak_was,
                    growth: growth_was,
                    thrash: thrash_was,
                },
            ) => {
                mix(*queue_was, self.queue, queue);
                mix(*peak_was, self.peak, peak);
                mix(*growth_was, self.growth, growth);
                mix(*thrash_was, self.thrash, thrash);
            }
            _ => {}
        }
        station.rejects_early = self.rejects_early.unwrap_or(station.rejects_early);
        mix(before.slowdown, self.slowdown, &mut station.slowdown);
        mix(before.burst, self.burst, &mut station.burst);
        mix(
            before.reject_seconds,
            self.reject_seconds,
            &mut station.reject_seconds,
        );
        mix(
            before.rest_seconds,
            self.rest_seconds,
            &mut station.rest_seconds,
        );
        mix_if(before.per_second, self.per_second, &mut station.per_second);
        mix_if(before.slots, self.slots, &mut station.slots);
        mix_if(
            before.reject_above,
            self.reject_above,
            &mut station.reject_above,
        );
    }
}

/// A resource that changes while the jobs run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) station: usize,
    /// Shares of the jobs done: when the change begins and when it is complete.
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) target: Parameters,
}
