//! Fifty messages, a second of blocking each, some of which fail: one by one would take 50 s.
//!
//! `cargo run --release -p paceline --example send_messages [MESSAGE_MS]`

use std::error::Error;
use std::fmt;
use std::thread;
use std::time::Duration;

use paceline::{Limit, OnError, map};

const MESSAGES: u32 = 50;

struct Message {
    number: u32,
    to: String,
}

/// The receiver does not exist.
#[derive(Debug)]
struct Bounced;

impl fmt::Display for Bounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such mailbox")
    }
}

impl Error for Bounced {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} to {}", self.number, self.to)
    }
}

/// A client library that blocks: it takes its time, whatever comes of it.
fn send(message: &Message, takes: Duration) -> Result<u32, Bounced> {
    thread::sleep(takes);
    if message.number % 9 == 4 {
        return Err(Bounced);
    }
    Ok(message.number)
}

fn messages() -> impl Iterator<Item = Message> + Send {
    (0..MESSAGES).map(|number| Message {
        number,
        to: format!("user{number}@example.org"),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let takes = std::env::args().nth(1);
    let takes = takes.map_or(Ok(1000), |text| text.parse())?;
    let takes = Duration::from_millis(takes);
    println!(
        "{MESSAGES} messages, {} ms each; some bounce\n",
        takes.as_millis()
    );

    println!("{:12} {:>8} {:>6} {:>7}", "way", "wall", "sent", "failed");
    let mut last = None;
    for (way, limit) in [("4 at once", Limit::Fixed(4)), ("level found", Limit::Auto)] {
        let run = map(messages(), |message| send(message, takes))
            .limit(limit)
            .on_error(OnError::Collect)
            .run()?;
        println!(
            "{way:12} {:>6.2} s {:>6} {:>7}",
            run.report.wall.as_secs_f64(),
            run.values.len(),
            run.failures.len()
        );
        last = Some(run);
    }

    let Some(run) = last else { return Ok(()) };
    println!("\n{}\n\nfailed:", run.report);
    for failed in &run.failures {
        println!("  {failed}");
    }
    Ok(())
}
