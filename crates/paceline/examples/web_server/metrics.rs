//! A pool's snapshot in the text format of Prometheus.

use std::fmt::Write;

use paceline::offload::{Histogram, Snapshot};

pub(crate) fn prometheus(seen: &Snapshot) -> String {
    let mut text = String::new();
    for (name, kind, value) in [
        ("threads", "gauge", seen.threads as u64),
        ("running", "gauge", seen.running as u64),
        ("queued", "gauge", seen.queued as u64),
        ("done_total", "counter", seen.done),
        ("panicked_total", "counter", seen.panicked),
        ("shed_total", "counter", seen.shed),
        ("late_total", "counter", seen.late),
        ("cancelled_total", "counter", seen.cancelled),
        ("pieces_total", "counter", seen.pieces),
    ] {
        let _ = writeln!(text, "# TYPE offload_{name} {kind}\noffload_{name} {value}");
    }
    summary(&mut text, "wait", &seen.wait);
    summary(&mut text, "service", &seen.service);
    text
}

fn summary(text: &mut String, name: &str, times: &Histogram) {
    let _ = writeln!(text, "# TYPE offload_{name}_seconds summary");
    for quantile in [0.5, 0.99, 0.999] {
        let seconds = times.quantile(quantile).as_secs_f64();
        let _ = writeln!(
            text,
            "offload_{name}_seconds{{quantile=\"{quantile}\"}} {seconds}"
        );
    }
    let _ = writeln!(text, "offload_{name}_seconds_count {}", times.count());
}
