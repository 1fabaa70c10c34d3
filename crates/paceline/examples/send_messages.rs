//! Fifty messages, a second of blocking each, some of which fail: one by one would take 50 s.
//!
//! `cargo run --release -p paceline --example send_messages`

use std::fmt;
use std::thread;
use std::time::Duration;

use paceline::{MapError, OnError, map};

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

impl std::error::Error for Bounced {}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} to {}", self.number, self.to)
    }
}

/// A client library that blocks: it takes a second, whatever comes of it.
fn send(message: &Message) -> Result<u32, Bounced> {
    thread::sleep(Duration::from_secs(1));
    if message.number % 9 == 4 {
        return Err(Bounced);
    }
    Ok(message.number)
}

fn messages() -> impl Iterator<Item = Message> + Send {
    (0..50).map(|number| Message {
        number,
        to: format!("user{number}@example.org"),
    })
}

fn main() -> Result<(), MapError<Message, u32, Bounced>> {
    let by_hand = map(messages(), send)
        .limit(4)
        .on_error(OnError::Collect)
        .run()?;
    let found = map(messages(), send).on_error(OnError::Collect).run()?;

    println!("{:24} {:>8} {:>5} {:>7}", "way", "wall", "sent", "failed");
    for (way, run) in [("limit 4", &by_hand), ("level found", &found)] {
        println!(
            "{way:24} {:>6.2} s {:>5} {:>7}",
            run.report.wall.as_secs_f64(),
            run.values.len(),
            run.failures.len()
        );
    }
    println!("\n{}\n", found.report);
    for failed in &found.failures {
        println!("{failed}");
    }
    Ok(())
}
