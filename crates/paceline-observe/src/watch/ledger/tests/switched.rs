//! Threads and processes that switches tell of, whether looks have met them or not.

use super::*;
use crate::watch::sources::switches::Kind;

const MADE: Kind = Kind::Forked {
    parent_pid: 1,
    parent_tid: 1,
};

fn switch(at: u64, tid: i32, kind: Kind) -> Switch {
    Switch {
        at: ms(at),
        pid: tid,
        tid,
        kind,
    }
}

/// A child that switches tell of begins at 2, computes for a moment, and waits from 4 on.
fn child_at_the_peer() -> (Play, [Switch; 3]) {
    let mut play = Play::default();
    play.ledger.close_round(ms(0), 0, None);
    play.ledger.begin(5, 5, 1, ms(2));
    let blocks = Kind::Out { preempted: false };
    let begins = [
        switch(2, 5, MADE),
        switch(3, 5, Kind::In),
        switch(4, 5, blocks),
    ];
    (play, begins)
}

fn look_at_child(play: &mut Play, at: u64) {
    let peer = play.wait(Class::Network);
    let seen = Seen {
        at: ms(at),
        ran: ms(1),
        queued: ms(1),
        slices: 1,
        doing: Doing::Waiting(peer),
    };
    play.ledger.enter(5, 5, seen, true);
}

#[test]
fn a_child_is_known_from_its_beginning_to_its_end() {
    let (mut play, begins) = child_at_the_peer();
    look_at_child(&mut play, 10);
    play.ledger.close_round(ms(10), 0, Some(&begins));
    // No look meets it again; it ends at 30.
    let ends = [switch(29, 5, Kind::In), switch(30, 5, Kind::Exit)];
    play.ledger.is_over(5, ms(30));
    play.ledger.end(5, ms(40));
    play.ledger.close_round(ms(40), 0, Some(&ends));
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Cpu], ms(2)), "{:?}", sums.time);
    assert!(close(sums.time[Class::RunQueue], ms(1)), "{:?}", sums.time);
    assert!(close(sums.time[Class::Network], ms(25)), "{:?}", sums.time);
    assert!(
        close(sums.foremost[Class::Network], ms(25)),
        "{:?}",
        sums.foremost
    );
    assert!(close(sums.overlap.io, ms(25)), "{:?}", sums.overlap);
    assert!(close(sums.waits[0].time, ms(25)), "{:?}", sums.waits);
    assert!(
        (sums.waits[0].effective_count - 1.0).abs() < 1e-6,
        "{:?}",
        sums.waits
    );
    assert_eq!((sums.threads_seen, sums.unmet_cpu), (1, Duration::ZERO));
}

#[test]
fn who_was_met_before_its_beginning_was_heard_of_is_one() {
    let mut play = Play::default();
    play.ledger.close_round(ms(0), 0, None);
    look_at_child(&mut play, 10);
    play.ledger.close_round(ms(10), 0, Some(&[]));
    play.ledger.begin(5, 5, 1, ms(2));
    look_at_child(&mut play, 20);
    play.ledger
        .close_round(ms(20), 0, Some(&[switch(2, 5, MADE)]));
    play.ledger.end(5, ms(30));
    play.ledger.close_round(ms(30), 0, Some(&[]));
    // Its end is heard of last.
    play.ledger.is_over(5, ms(29));
    play.ledger
        .close_round(ms(40), 0, Some(&[switch(29, 5, Kind::Exit)]));
    let sums = play.ledger.finish();
    assert_eq!((sums.threads_seen, sums.threads.len()), (1, 1));
    assert_eq!(sums.unmet_cpu, Duration::ZERO);
}

#[test]
fn what_it_did_before_the_first_look_is_not_counted_twice() {
    let (mut play, begins) = child_at_the_peer();
    play.ledger.close_round(ms(10), 0, Some(&begins));
    look_at_child(&mut play, 20);
    play.ledger.close_round(ms(20), 0, Some(&[]));
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Cpu], ms(1)), "{:?}", sums.time);
    assert!(close(sums.time[Class::Network], ms(16)), "{:?}", sums.time);
    assert_eq!(sums.unmet_cpu, Duration::ZERO);
}

#[test]
fn a_child_that_no_look_met_has_computed_all_the_same() {
    let (mut play, begins) = child_at_the_peer();
    let mut switches = begins.to_vec();
    switches.extend([switch(7, 5, Kind::In), switch(9, 5, Kind::Exit)]);
    play.ledger.is_over(5, ms(9));
    // It waits to be waited for: its counters are not counted again.
    look_at_child(&mut play, 10);
    play.ledger.close_round(ms(10), 0, Some(&switches));
    let sums = play.ledger.finish();
    assert!(close(sums.time[Class::Cpu], ms(3)), "{:?}", sums.time);
    assert!(
        close(sums.foremost[Class::Cpu], ms(3)),
        "{:?}",
        sums.foremost
    );
    assert!(close(sums.unmet_cpu, ms(3)));
    assert_eq!(sums.threads_seen, 1);
}

#[test]
fn a_thread_that_no_look_met_is_described_by_its_switches() {
    let mut play = Play::default();
    let rest = play.wait(Class::Join);
    play.thread(1, 0, 0, 0, Doing::Waiting(rest));
    play.round();
    // One of a process that is known, and one of a process that is not.
    for (pid, tid) in [(1, 8), (7, 9)] {
        play.ledger.begin(pid, tid, pid, ms(2));
        play.ledger.is_over(tid, ms(6));
    }
    let switches = [
        switch(2, 8, MADE),
        switch(2, 9, MADE),
        switch(3, 8, Kind::In),
        switch(3, 9, Kind::In),
        switch(6, 8, Kind::Exit),
        switch(6, 9, Kind::Exit),
    ];
    play.thread(1, 0, 0, 0, Doing::Waiting(rest));
    play.ledger.close_round(ms(10), 0, Some(&switches));
    let sums = play.ledger.finish();
    assert_eq!((sums.threads.len(), sums.threads_seen), (2, 3));
    let unmet = &sums.threads[0];
    assert_eq!((unmet.tid, unmet.pid, unmet.met), (8, 1, false));
    assert_eq!((unmet.began, unmet.alive), (ms(2), ms(4)));
    assert!(close(unmet.time[Class::Cpu], ms(3)), "{:?}", unmet.time);
    assert!(
        close(unmet.time[Class::RunQueue], ms(1)),
        "{:?}",
        unmet.time
    );
    // The other one is in the sums alone.
    assert!(close(sums.time[Class::Cpu], ms(6)), "{:?}", sums.time);
    assert!(close(sums.unmet_cpu, ms(3)), "{:?}", sums.unmet_cpu);
}

#[test]
fn a_process_that_no_look_met_is_described_with_its_origin() {
    let mut play = Play::default();
    let rest = play.wait(Class::Child);
    play.thread(1, 0, 0, 0, Doing::Waiting(rest));
    play.round();
    // A child of one that is known, its child, and one of somebody else.
    for (pid, parent) in [(8, 1), (9, 8), (70, 7)] {
        play.ledger.begin(pid, pid, parent, ms(1 + pid as u64 / 9));
        play.ledger.is_over(pid, ms(9));
    }
    let switches = [
        switch(1, 8, MADE),
        switch(2, 9, MADE),
        switch(3, 9, Kind::In),
        switch(9, 9, Kind::Exit),
    ];
    play.thread(1, 0, 0, 0, Doing::Waiting(rest));
    play.ledger.may_use(2.0);
    play.ledger.close_round(ms(10), 0, Some(&switches));
    let sums = play.ledger.finish();
    let mut seen: Vec<(i32, Option<Origin>)> = sums
        .threads
        .iter()
        .map(|thread| (thread.tid, thread.origin))
        .collect();
    seen.sort_by_key(|(tid, _)| *tid);
    let from = |parent| Some(Origin { parent, name: None });
    assert_eq!(seen, [(1, None), (8, from(1)), (9, from(8))]);
    // It is alone with two cores, but while its parent is ready too.
    let child = sums.threads.iter().find(|thread| thread.tid == 9);
    let spare = child.map(|child| child.spare).unwrap_or_default();
    assert!(close(spare, ms(0)), "{spare:?}");
    assert_eq!(sums.threads_seen, 4);
}

#[test]
fn a_process_that_no_look_met_waits_for_what_others_of_its_program_did() {
    let mut play = Play::default();
    let (child, net) = (play.wait(Class::Child), play.wait(Class::Network));
    play.thread(1, 0, 0, 0, Doing::Waiting(child));
    play.round();
    // One is met, the next one is not, and neither is one of another program.
    let (get, other) = (Name::from("get"), Name::from("other"));
    play.ledger.begin(8, 8, 1, ms(11));
    play.ledger.becomes(8, get);
    let met = Seen {
        at: ms(20),
        ran: ms(1),
        queued: ms(0),
        slices: 1,
        doing: Doing::Waiting(net),
    };
    play.ledger.enter(8, 8, met, true);
    let first = [
        switch(11, 8, MADE),
        switch(11, 8, Kind::In),
        switch(12, 8, Kind::Out { preempted: false }),
    ];
    play.thread(1, 0, 0, 0, Doing::Waiting(child));
    play.ledger.close_round(ms(20), 0, Some(&first));
    play.ledger.end(8, ms(21));
    for (tid, name) in [(9, get), (10, other)] {
        play.ledger.begin(tid, tid, 1, ms(22));
        play.ledger.becomes(tid, name);
        play.ledger.is_over(tid, ms(38));
    }
    let mut then = vec![switch(21, 8, Kind::Exit)];
    for tid in [9, 10] {
        then.push(switch(22, tid, MADE));
        then.push(switch(22, tid, Kind::In));
        then.push(switch(23, tid, Kind::Out { preempted: false }));
        then.push(switch(37, tid, Kind::In));
        then.push(switch(38, tid, Kind::Exit));
    }
    then.sort_by_key(|switch| switch.at);
    play.now = ms(40);
    play.thread(1, 0, 0, 0, Doing::Waiting(child));
    play.ledger.close_round(ms(40), 0, Some(&then));
    let sums = play.ledger.finish();
    let of = |tid| sums.threads.iter().find(|thread| thread.tid == tid);
    let waited = |tid| of(tid).map_or(Duration::ZERO, |one| one.time[Class::Network]);
    assert!(close(waited(9), ms(14)), "{:?}", waited(9));
    assert_eq!(waited(10), Duration::ZERO);
    assert_eq!(of(9).map(|one| one.waits.len()), Some(1));
    // In flight from 12 to 21 and from 23 to 37.
    assert!(close(sums.time[Class::Network], ms(23)), "{:?}", sums.time);
    assert!(close(sums.overlap.io, ms(23)), "{:?}", sums.overlap);
    assert!(
        close(sums.overlap.io_in_flight, ms(23)),
        "{:?}",
        sums.overlap
    );
}

#[test]
fn who_is_gone_before_its_beginning_is_heard_of_is_described_once() {
    let mut play = Play::default();
    let met = ms(10);
    play.now = met;
    let rest = play.wait(Class::Child);
    for tid in [1, 5] {
        play.thread(tid, 0, 0, 0, Doing::Waiting(rest));
    }
    play.round();
    play.ledger.end(5, met + ms(1));
    let before = met.saturating_sub(ms(1));
    play.ledger.begin(5, 5, 1, before);
    play.ledger.is_over(5, met);
    // Its number is given again.
    play.ledger.begin(5, 5, 1, met + ms(2));
    play.ledger.is_over(5, met + ms(3));
    let sums = play.ledger.finish();
    let of_5 = sums.threads.iter().filter(|thread| thread.tid == 5);
    assert_eq!(of_5.count(), 2);
    assert_eq!(sums.threads_seen, 3);
}
