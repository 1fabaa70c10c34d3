//! CSV files as a shop would export them, made up but the same every time.

use std::fmt::Write;

use fastrand::Rng;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::Failed;
use crate::store::Remote;

/// Writes so many files, of which the last ones are malformed.
pub(crate) async fn write(
    remote: &Remote,
    files: usize,
    rows: usize,
    malformed: usize,
) -> Result<(), Failed> {
    stream::iter(0..files)
        .map(|number| async move {
            let mut text = csv(number as u64, rows);
            if number + malformed >= files {
                // As if an export had been cut off and another one appended.
                text.push_str("17,Ghent\n");
            }
            let path = remote.path("csv", &format!("orders-{number:05}.csv"));
            remote.put(&path, text.into()).await
        })
        .buffer_unordered(64)
        .try_collect()
        .await
}

fn csv(seed: u64, rows: usize) -> String {
    const CITIES: [&str; 6] = ["Ghent", "Łódź", "São Paulo", "Kyōto", "Cork", "Oulu"];
    let mut random = Rng::with_seed(seed);
    let mut text = String::from("id,day,at,customer,city,quantity,price,paid,note\n");
    for row in 0..rows {
        let (day, city) = (random.u32(1..=28), CITIES[random.usize(..CITIES.len())]);
        let note = match random.u8(..8) {
            0 => "\"gift, wrapped\"",
            1 => "\"says \"\"soon\"\"\"",
            2 => "leave at door",
            _ => "",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{},2026-03-{day:02},2026-03-{day:02}T{:02}:{:02}:00Z,{:08x},{city},{},{}.{:02},{},{note}",
            seed * 1_000_000 + row as u64,
            random.u8(..24),
            random.u8(..60),
            random.u32(..),
            random.u8(1..20),
            random.u16(1..900),
            random.u8(..100),
            random.bool(),
        );
    }
    text
}
