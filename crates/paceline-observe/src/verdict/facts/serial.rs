//! Compute before the first wait and after the last.
//!
//! Imports, configuration, a report at the end: nothing that is had at once makes it go away.

use crate::profile::{Class, Profile, Progress};

/// CPU seconds that belong to no job, of `cpu` in all, for `count` jobs that wait for `each` seconds.
///
/// The course tells what was computed until the first wait: until half of a job's wait has passed. The
/// program's own files come from the disk meanwhile; unless the jobs wait for a `disk`, that is no such wait.
pub(in crate::verdict) fn serial_compute(
    profile: &Profile,
    cpu: f64,
    count: f64,
    each: f64,
    disk: bool,
) -> f64 {
    let loads = profile.foremost[Class::Disk].saturating_add(profile.foremost[Class::PageFault]);
    let ends = Progress {
        disk: loads,
        at: profile.wall,
        compute: profile.overlap.compute,
        io: profile.overlap.io,
    };
    let course = || {
        let taken = profile.course.iter().copied();
        // What comes from counters alone is in the sums and not in the course.
        taken.chain([ends]).map(|point| Point::of(point, disk))
    };
    let last = Point::of(ends, disk);
    if profile.course.is_empty() || each <= 0.0 || last.waited < each {
        return 0.0;
    }
    let before = until_a_wait(course(), each);
    let backwards = course().collect::<Vec<_>>().into_iter().rev();
    let after = until_a_wait(
        backwards.map(|point| Point {
            compute: last.compute - point.compute,
            waited: last.waited - point.waited,
        }),
        each,
    );
    let alone = before + after;
    // One of them has the first job's compute in it, or the last one's.
    let of_a_job = ((cpu - alone) / (count - 1.0).max(1.0)).max(0.0);
    (alone - of_a_job).clamp(0.0, cpu.max(0.0))
}

/// Seconds so far.
#[derive(Clone, Copy)]
struct Point {
    compute: f64,
    /// With an input or output in flight, or without compute.
    waited: f64,
}

impl Point {
    fn of(progress: Progress, disk: bool) -> Self {
        let compute = progress.compute.as_secs_f64();
        let idle = progress.at.as_secs_f64() - compute;
        let loads = if disk {
            0.0
        } else {
            progress.disk.as_secs_f64()
        };
        Self {
            compute,
            waited: progress.io.as_secs_f64().max(idle) - loads,
        }
    }
}

/// What was computed until half of such a wait had passed.
fn until_a_wait(points: impl Iterator<Item = Point>, each: f64) -> f64 {
    let mut before = Point {
        compute: 0.0,
        waited: 0.0,
    };
    for point in points {
        let (computed, waited) = (
            (point.compute - before.compute).max(0.0),
            point.waited - before.waited,
        );
        if point.waited >= 0.5 * each {
            // Between two points that are further apart than a wait, compute and waits took turns.
            return before.compute + computed * (each / waited.max(each));
        }
        before = point;
    }
    before.compute
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Seconds of compute and of waiting in turns, looked at every 20 ms.
    fn seen(phases: &[(f64, f64)]) -> Profile {
        let mut profile = Profile::default();
        let (mut at, mut compute, mut io) = (0.0, 0.0, 0.0);
        let step = 0.0002;
        for (computes, waits) in phases {
            for part in 0..((computes + waits) / step).round() as usize {
                at += step;
                *(if (part as f64) * step < *computes {
                    &mut compute
                } else {
                    &mut io
                }) += step;
                if ((at / step).round() as usize).is_multiple_of(100) {
                    profile.course.push(Progress {
                        at: Duration::from_secs_f64(at),
                        compute: Duration::from_secs_f64(compute),
                        io: Duration::from_secs_f64(io),
                        disk: Duration::ZERO,
                    });
                }
            }
        }
        profile.wall = Duration::from_secs_f64(at);
        profile.overlap.compute = Duration::from_secs_f64(compute);
        profile.overlap.io = Duration::from_secs_f64(io);
        profile
    }

    fn serial(phases: &[(f64, f64)], count: f64, each: f64) -> f64 {
        let profile = seen(phases);
        let cpu = profile.overlap.compute.as_secs_f64();
        serial_compute(&profile, cpu, count, each, false)
    }

    fn near(got: f64, expected: f64, by: f64) {
        assert!((got - expected).abs() < by, "{got} is not {expected}");
    }

    #[test]
    fn start_up_and_the_report_belong_to_no_job() {
        let mut phases = vec![(0.08, 0.0)];
        phases.extend([(0.001, 0.05); 60]);
        near(serial(&phases, 60.0, 0.05), 0.08, 0.003);
        phases.push((0.04, 0.0));
        near(serial(&phases, 60.0, 0.05), 0.12, 0.004);
        // A short wait for the program's own file.
        phases.insert(0, (0.01, 0.01));
        near(serial(&phases, 60.0, 0.05), 0.13, 0.004);
    }

    #[test]
    fn loading_the_program_is_no_wait_of_a_job() {
        let mut phases = vec![(0.0, 0.1), (0.08, 0.0)];
        phases.extend([(0.001, 0.05); 60]);
        let mut profile = seen(&phases);
        for point in &mut profile.course {
            point.disk = point.at.min(Duration::from_millis(100));
        }
        profile.foremost[Class::Disk] = Duration::from_millis(100);
        let serial = |disk| serial_compute(&profile, 0.14, 60.0, 0.05, disk);
        near(serial(false), 0.08, 0.003);
        near(serial(true), 0.0, 0.002);
    }

    #[test]
    fn compute_between_waits_is_the_jobs() {
        near(serial(&[(0.03, 0.05); 40], 40.0, 0.05), 0.0, 0.002);
        near(serial(&[(1.0, 1.0); 4], 4.0, 1.0), 0.0, 0.01);
        // Waits that are shorter than the time between looks.
        near(serial(&[(0.001, 0.002); 1000], 1000.0, 0.002), 0.0, 0.003);
    }

    #[test]
    fn without_a_course_or_waits_nothing_is_said() {
        near(
            serial_compute(&Profile::default(), 5.0, 10.0, 0.1, false),
            0.0,
            1e-9,
        );
        near(serial(&[(1.0, 0.01)], 1.0, 0.05), 0.0, 1e-9);
    }
}
