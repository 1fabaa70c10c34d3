//! Fifty messages, some of which fail: every failure comes back beside its message, with its error,
//! in whatever way they are sent and whatever is done about failures.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use paceline::{
    ErrorKind, Failed, Failure, FailureKind, OnError, Pipeline, Retry, Stage, map, map_async,
    map_command,
};
use tokio::process::Command;

const MESSAGES: u32 = 50;
const SOON: Duration = Duration::from_micros(200);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    number: u32,
    to: String,
}

#[derive(Clone, Debug, PartialEq)]
struct Bounced(String);

impl fmt::Display for Bounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no such mailbox: {}", self.0)
    }
}

impl std::error::Error for Bounced {}

fn messages() -> Vec<Message> {
    (0..MESSAGES)
        .map(|number| Message {
            number,
            to: format!("user{number}@example.org"),
        })
        .collect()
}

fn bounces(number: u32) -> bool {
    number % 9 == 4
}

fn send(message: &Message) -> Result<u32, Bounced> {
    if bounces(message.number) {
        return Err(Bounced(message.to.clone()));
    }
    Ok(message.number)
}

/// A program that sends a message.
fn mailer(message: &Message) -> Command {
    let mut shell = Command::new("sh");
    let code = u32::from(bounces(message.number));
    shell
        .args(["-c", "test $1 = 0 || echo no such mailbox: $0 >&2; exit $1"])
        .args([&message.to, &code.to_string()]);
    shell
}

/// The policies under which all are sent.
const GOING_ON: [OnError; 2] = [OnError::Collect, OnError::Emit];
/// Tried once, and several times.
const TRIES: [u32; 2] = [1, 3];

fn sent(of: impl IntoIterator<Item = u32>) {
    let mut sent: Vec<_> = of.into_iter().collect();
    sent.sort_unstable();
    let expected: Vec<_> = (0..MESSAGES).filter(|n| !bounces(*n)).collect();
    assert_eq!(sent, expected);
}

/// All that bounced are there, each once, with its message, its error, and so many attempts.
fn bounced<E: fmt::Display + fmt::Debug>(failures: &[Failed<Message, E>], attempts: u32) {
    let mut told = BTreeMap::new();
    for failed in failures {
        assert_eq!(failed.seq, u64::from(failed.item.number));
        assert_eq!(failed.attempts, attempts);
        let words = failed.kind.to_string();
        assert!(
            words.ends_with(&format!("no such mailbox: {}", failed.item.to)),
            "{words}"
        );
        assert_eq!(told.insert(failed.item.number, words), None);
    }
    let expected: Vec<_> = (0..MESSAGES).filter(|n| bounces(*n)).collect();
    assert_eq!(told.into_keys().collect::<Vec<_>>(), expected);
}

/// One that ended the run is one of those.
fn is_bounced<E: fmt::Display>(failed: &Failed<Message, E>) {
    assert!(bounces(failed.item.number));
    assert_eq!(failed.seq, u64::from(failed.item.number));
    let words = failed.kind.to_string();
    assert!(
        words.ends_with(&format!("no such mailbox: {}", failed.item.to)),
        "{words}"
    );
}

#[test]
fn by_map() {
    for attempts in TRIES {
        let all = || map(messages(), send).retry(Retry::exponential(attempts, SOON));
        for policy in GOING_ON {
            let mapped = all().on_error(policy).run().expect("goes on");
            sent(mapped.values);
            bounced(&mapped.failures, attempts);
        }
        let stopped = all().run().expect_err("some bounce");
        is_bounced(&stopped.first);
        assert!(
            matches!(&stopped.first.kind, FailureKind::Error(Bounced(to)) if *to == stopped.first.item.to)
        );
        // What failed beside the first one, before all had stopped, is not lost either.
        stopped.rest.failures.iter().for_each(is_bounced);
    }
}

#[test]
fn by_map_one_by_one() {
    for attempts in TRIES {
        let all = || map(messages(), send).retry(Retry::exponential(attempts, SOON));
        let (values, failures): (Vec<_>, Vec<_>) = all().results().partition(Result::is_ok);
        sent(values.into_iter().flatten());
        let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
        bounced(&failures, attempts);

        let mut results = all().on_error(OnError::Collect).results();
        sent(results.by_ref().map(|sent| sent.expect("is collected")));
        bounced(results.failures(), attempts);

        let results: Vec<_> = all().on_error(OnError::Stop).results().collect();
        let failures: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(!failures.is_empty());
        failures.iter().for_each(is_bounced);
    }
}

#[tokio::test]
async fn by_map_async() {
    for attempts in TRIES {
        let work = |message: Message| async move { send(&message) };
        let all = || map_async(messages(), work).retry(Retry::exponential(attempts, SOON));
        for policy in GOING_ON {
            let mapped = all().on_error(policy).run().await.expect("goes on");
            sent(mapped.values);
            bounced(&mapped.failures, attempts);
        }
        let stopped = all().run().await.expect_err("some bounce");
        is_bounced(&stopped.first);

        let mut results = all().results();
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        while let Some(result) = results.next().await {
            match result {
                Ok(value) => values.push(value),
                Err(failed) => failures.push(failed),
            }
        }
        sent(values);
        bounced(&failures, attempts);

        let mut results = all().on_error(OnError::Collect).results();
        let mut values = Vec::new();
        while let Some(value) = results.next().await {
            values.push(value.expect("is collected"));
        }
        sent(values);
        bounced(results.failures(), attempts);

        let mut results = all().on_error(OnError::Stop).results();
        let mut last = None;
        while let Some(result) = results.next().await {
            assert!(last.is_none());
            last = result.err();
        }
        is_bounced(&last.expect("some bounce"));
    }
}

#[tokio::test]
async fn by_map_command() {
    let of = |(message, _): (Message, _)| message.number;
    for attempts in TRIES {
        let all = || map_command(messages(), mailer).retry(Retry::exponential(attempts, SOON));
        for policy in GOING_ON {
            let mapped = all().on_error(policy).run().await.expect("goes on");
            sent(mapped.values.into_iter().map(of));
            bounced(&mapped.failures, attempts);
            assert!(
                mapped
                    .failures
                    .iter()
                    .all(|failed| matches!(failed.kind, FailureKind::Exit { .. }))
            );
        }
        let stopped = all().run().await.expect_err("some bounce");
        is_bounced(&stopped.first);

        let mut results = all().results();
        let (mut values, mut failures) = (Vec::new(), Vec::new());
        while let Some(result) = results.next().await {
            match result {
                Ok(value) => values.push(of(value)),
                Err(failed) => failures.push(failed),
            }
        }
        sent(values);
        bounced(&failures, attempts);
    }
}

/// A pipeline that sends all, in a stage of some kind. A label tells which message failed.
fn pipeline(kind: usize, attempts: u32) -> Pipeline<u32> {
    let stage = Stage::named("send")
        .classify(|_| ErrorKind::Transient)
        .retry(Retry::exponential(attempts, SOON));
    let messages = Pipeline::from_iter(messages()).label(|message| message.to.clone());
    match kind {
        0 => messages.io(stage, |message| async move { send(&message) }),
        1 => messages.cpu(stage, |_, message| send(&message)),
        2 => messages.blocking(stage, |_, message| send(&message)),
        _ => messages
            .command(stage, mailer)
            .cpu("number", |_, (message, _)| Ok::<_, Bounced>(message.number)),
    }
}

fn is_told(failure: &Failure, attempts: u32) -> u32 {
    assert_eq!((&*failure.stage, failure.attempts), ("send", attempts));
    let to = failure.label.as_deref().expect("a label");
    let words = failure.kind.to_string();
    assert!(
        words.ends_with(&format!("no such mailbox: {to}")),
        "{words}"
    );
    let number = u32::try_from(failure.seq).expect("a number");
    assert_eq!(to, messages()[number as usize].to);
    assert!(bounces(number));
    number
}

fn are_told<'a>(failures: impl IntoIterator<Item = &'a Failure>, attempts: u32) {
    let mut told: Vec<_> = failures
        .into_iter()
        .map(|failure| is_told(failure, attempts))
        .collect();
    told.sort_unstable();
    let expected: Vec<_> = (0..MESSAGES).filter(|n| bounces(*n)).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn by_a_pipeline() {
    for kind in 0..4 {
        for attempts in TRIES {
            for policy in GOING_ON {
                let all = pipeline(kind, attempts).on_error(policy);
                let (values, report) = all.collect().await.expect("goes on");
                sent(values);
                are_told(&report.failures, attempts);
            }
            let stopped = pipeline(kind, attempts).collect().await;
            is_told(&stopped.expect_err("some bounce").first, attempts);

            let mut run = pipeline(kind, attempts).on_error(OnError::Emit).start();
            let (mut values, mut failures) = (Vec::new(), Vec::new());
            while let Some(result) = run.next().await {
                match result {
                    Ok(value) => values.push(value),
                    Err(failure) => failures.push(failure),
                }
            }
            sent(values);
            are_told(&failures, attempts);

            let mut run = pipeline(kind, attempts).on_error(OnError::Collect).start();
            let mut values = Vec::new();
            while let Some(result) = run.next().await {
                values.push(result.expect("is collected"));
            }
            sent(values);
            are_told(&run.finish().await.expect("goes on").failures, attempts);
        }
    }
}
