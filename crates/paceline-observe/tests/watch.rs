//! What a watcher sees of real programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use paceline_observe::profile::{Class, Ending, Profile, Target, Wait};
use paceline_observe::watch::{AttachError, Options, Scope, Watcher};

/// A program that waits for a line before it begins.
struct Program(Child);

impl Program {
    /// A script for `sh`, which begins when it is told to go.
    fn sh(script: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", &format!("read go; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.expect("starts"))
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// Watches it from its beginning to its end.
    fn watch(self) -> Profile {
        let watcher =
            Watcher::attach(self.pid(), Scope::Tree, Options::default()).expect("attaches");
        self.finish(watcher)
    }

    fn finish(mut self, mut watcher: Watcher) -> Profile {
        self.0
            .stdin
            .as_mut()
            .expect("is piped")
            .write_all(b"go\n")
            .expect("writes");
        while watcher.look().alive {
            std::thread::yield_now();
        }
        watcher.finish(Ending::ProgramEnded)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

fn has_python() -> bool {
    let there = Command::new("python3").arg("--version").output().is_ok();
    if !there {
        println!("not tested: no python3");
    }
    there
}

fn share(profile: &Profile, class: Class) -> f64 {
    profile.foremost[class].as_secs_f64() / profile.wall.as_secs_f64()
}

#[test]
fn what_it_waits_for_until_it_is_told_to_begin_is_not_counted() {
    let reads = |starting: bool| {
        let program = Program::sh("exec sleep 0.2");
        let call = format!("/proc/{}/syscall", program.pid());
        // Its first argument is standard input.
        let reads = |call: &str| call.split(' ').nth(1) == Some("0x0");
        while !reads(&std::fs::read_to_string(&call).expect("is there")) {
            std::thread::yield_now();
        }
        let mut options = Options::default();
        options.starting = starting;
        let mut watcher = Watcher::attach(program.pid(), Scope::Tree, options).expect("attaches");
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            watcher.look();
        }
        program.finish(watcher)
    };
    let read = |profile: &Profile| profile.waits.iter().any(|wait| wait.class == Class::Pipe);
    let started = reads(true);
    assert!(!read(&started), "{:?}", started.waits);
    assert!(!started.time[Class::Sleep].is_zero());
    assert!(read(&reads(false)));
}

#[test]
fn a_sleeper_sleeps() {
    let profile = Program::sh("exec sleep 0.4").watch();
    assert!(share(&profile, Class::Sleep) > 0.5, "{profile:?}");
    assert!(profile.time[Class::Sleep] > profile.time[Class::Cpu]);
    let longest = &profile.waits[0];
    assert!(
        longest.class == Class::Sleep && longest.effective_count < 2.0,
        "{longest:?}"
    );
}

#[test]
fn a_poll_that_only_a_timer_ends_is_a_sleep() {
    if !has_python() {
        return;
    }
    let script = "\
import ctypes, select, struct
libc = ctypes.CDLL(None)
timer = libc.timerfd_create(1, 0)
libc.timerfd_settime(timer, 0, struct.pack(\"4q\", 0, 0, 0, 400_000_000), None)
loop = select.epoll()
loop.register(timer, select.EPOLLIN)
loop.poll()
";
    let profile = Program::sh(&format!("exec python3 -c '{script}'")).watch();
    let polls = |class| -> Duration {
        let waits = profile.waits.iter();
        let polls = waits.filter(|wait| wait.class == class && wait.call.starts_with("epoll"));
        polls.map(|wait| wait.time).sum()
    };
    // Before it waits it is met in the call for a moment, with a number that was something else's.
    let (slept, polled) = (polls(Class::Sleep), polls(Class::Poll));
    assert!(
        slept > 10 * polled,
        "{slept:?} {polled:?} {:?}",
        profile.waits
    );
}

#[test]
fn what_a_wait_is_for_may_become_known_while_it_lasts() {
    if !has_python() {
        return;
    }
    // Nothing that the loop polls will come, until somebody sets its timer.
    let script = "\
import ctypes, select, struct, threading, time
libc = ctypes.CDLL(None)
timer = libc.timerfd_create(1, 0)
loop = select.epoll()
loop.register(timer, select.EPOLLIN)
def later():
    time.sleep(0.4)
    libc.timerfd_settime(timer, 0, struct.pack(\"4q\", 0, 0, 0, 400_000_000), None)
threading.Thread(target=later).start()
loop.poll()
";
    let profile = Program::sh(&format!("exec python3 -c '{script}'")).watch();
    let mut waits = profile.waits.iter();
    let slept = waits.any(|wait| wait.class == Class::Sleep && wait.call.starts_with("epoll"));
    assert!(slept, "{:?}", profile.waits);
}

#[test]
fn who_is_alone_waits_for_a_signal_until_its_time_is_up() {
    if !has_python() {
        return;
    }
    let script = "import threading; threading.Event().wait(0.7)";
    let profile = Program::sh(&format!("exec python3 -c '{script}'")).watch();
    let mut waits = profile.waits.iter();
    let slept = waits.any(|wait| wait.class == Class::Sleep && wait.futex.is_some());
    assert!(slept, "{:?}", profile.waits);
    assert!(profile.time[Class::Idle] < profile.time[Class::Sleep]);
}

#[test]
fn a_burner_computes_and_no_second_is_counted_twice() {
    let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    let profile = Program::sh(script).watch();
    let busy = share(&profile, Class::Cpu) + share(&profile, Class::RunQueue);
    assert!(busy > 0.5, "{profile:?}");
    // One thread: what it did adds up to its life.
    let sum: Duration = profile.time.iter().map(|(_, time)| *time).sum();
    let ratio = sum.as_secs_f64() / profile.wall.as_secs_f64();
    assert!((0.9..1.1).contains(&ratio), "{ratio} {profile:?}");
}

#[test]
fn the_time_of_children_is_theirs_and_the_parent_stands_by() {
    let profile = Program::sh("sleep 0.3; true").watch();
    assert!(profile.processes_seen >= 2, "{profile:?}");
    assert!(profile.time[Class::Child] > Duration::ZERO);
    assert!(
        share(&profile, Class::Sleep) > share(&profile, Class::Child),
        "{profile:?}"
    );
}

#[test]
fn children_that_no_look_meets_are_charged_for() {
    let profile = Program::sh("i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done").watch();
    let seen: Duration = profile
        .threads
        .iter()
        .map(|thread| thread.time[Class::Cpu])
        .sum();
    assert!(profile.short_lived.cpu > Duration::ZERO, "{profile:?}");
    assert!(profile.time[Class::Cpu] >= seen);
}

#[test]
fn a_pipe_leads_to_the_process_at_its_end() {
    let profile = Program::sh("sleep 0.4 | cat").watch();
    let wait = profile.waits.iter().find(|wait| wait.class == Class::Pipe);
    let wait = wait.expect("cat waits for its pipe");
    let Target::Pipe { other, .. } = &wait.target else {
        panic!("{wait:?}");
    };
    assert_eq!(other.as_deref(), Some("sleep"));
}

#[test]
fn a_pair_of_sockets_leads_to_the_process_at_its_end() {
    if !has_python() {
        return;
    }
    // The child has both ends, as after any fork. Who holds what is looked up a few times a second.
    let script = "\
import os, socket, time
here, there = socket.socketpair()
if os.fork() == 0:
    time.sleep(1.2)
    there.send(b\"x\")
    os._exit(0)
here.recv(1)
os.wait()
";
    let profile = Program::sh(&format!("exec python3 -c '{script}'")).watch();
    // The shell has waited for the word to begin, at a pipe too.
    let named = |wait: &&Wait| match &wait.target {
        Target::Pipe { other, .. } => other
            .as_deref()
            .is_some_and(|name| name.starts_with("python")),
        _ => false,
    };
    let pipe = profile.waits.iter().find(named);
    assert_eq!(
        pipe.map(|wait| wait.class),
        Some(Class::Pipe),
        "{:?}",
        profile.waits
    );
    assert!(profile.time[Class::Network] < profile.time[Class::Pipe]);
}

#[test]
fn an_answer_is_waited_for_from_the_peer_that_owes_it() {
    if !has_python() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    let script = format!(
        "exec python3 -c 'import socket; s = socket.create_connection((\"127.0.0.1\", {})); s.sendall(b\"ask\"); s.recv(9)'",
        address.port()
    );
    let mut program = Program::sh(&script);
    let mut watcher =
        Watcher::attach(program.pid(), Scope::Tree, Options::default()).expect("attaches");
    program
        .0
        .stdin
        .as_mut()
        .expect("is piped")
        .write_all(b"go\n")
        .expect("writes");
    // It goes on listening, as servers do.
    let server = std::thread::spawn(move || (listener.accept().expect("accepts").0, listener));
    while !server.is_finished() {
        watcher.look();
    }
    let (mut stream, _listener) = server.join().expect("accepts");
    // Until the watcher has seen the program wait for the better part of the time.
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_millis(500) {
        watcher.look();
    }
    stream.write_all(b"answer").expect("writes");
    while watcher.look().alive {
        std::thread::yield_now();
    }
    let profile = watcher.finish(Ending::ProgramEnded);
    let peer = format!("tcp {address}");
    let wait = profile
        .waits
        .iter()
        .find(|wait| wait.class == Class::Network);
    assert_eq!(
        wait.expect("waits").target,
        Target::Peer(peer.clone()),
        "{profile:?}"
    );
    let used = profile
        .network
        .peers
        .iter()
        .find(|used| used.address == peer);
    let used = used.expect("in flight");
    assert_eq!(used.most_in_flight, 1);
    assert!(used.effective_count < 1.5, "{used:?}");
}

#[test]
fn an_answer_in_many_pieces_is_asked_for_once() {
    if !has_python() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("an address");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepts");
        stream.read_exact(&mut [0; 3]).expect("reads");
        for _ in 0..8 {
            std::thread::sleep(Duration::from_millis(150));
            stream.write_all(b"piece").expect("writes");
        }
        // It goes on listening, as servers do.
        listener
    });
    let script = format!(
        "import socket; s = socket.create_connection((\"127.0.0.1\", {})); s.sendall(b\"ask\")\nwhile s.recv(9): pass",
        address.port()
    );
    let profile = Program::sh(&format!("exec python3 -c '{script}'")).watch();
    drop(server.join().expect("ends"));
    let peer = format!("tcp {address}");
    let mut waits = profile.waits.iter();
    let wait = waits.find(|wait| wait.target == Target::Peer(peer.clone()));
    let pieces = wait.expect("waits").effective_count;
    let mut peers = profile.network.peers.iter();
    let used = peers.find(|used| used.address == peer).expect("is known");
    assert!(used.waited_for_answers > Duration::ZERO, "{used:?}");
    assert!(
        used.answers < 1.5 && used.answers < pieces,
        "{used:?} {pieces}"
    );
}

#[test]
fn a_process_that_runs_is_watched_from_now_on_and_left_alone() {
    let mut child = Command::new("sh")
        .args(["-c", "while read line; do echo $line; done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let pid = child.id().cast_signed();
    let mut watcher = Watcher::attach(pid, Scope::Tree, Options::default()).expect("attaches");
    for _ in 0..20 {
        assert!(watcher.look().alive);
    }
    let profile = watcher.finish(Ending::TimeUp);
    assert_eq!(profile.ending, Ending::TimeUp);
    let mut stdin = child.stdin.take().expect("is piped");
    stdin.write_all(b"still there\n").expect("writes");
    let mut answer = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
    stdout.read_line(&mut answer).expect("reads");
    assert_eq!(answer, "still there\n");
    drop(stdin);
    assert!(child.wait().expect("ends").success());
}

#[test]
fn what_children_did_before_we_came_is_not_counted() {
    // The parent is charged with all that its child ever did when it waits for its end.
    let script =
        "(i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo ready; read go); sleep 0.3";
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("is piped"));
    stdout.read_line(&mut String::new()).expect("reads");
    let pid = child.id().cast_signed();
    let mut watcher = Watcher::attach(pid, Scope::Tree, Options::default()).expect("attaches");
    let mut stdin = child.stdin.take().expect("is piped");
    stdin.write_all(b"go\n").expect("writes");
    while watcher.look().alive {
        std::thread::yield_now();
    }
    let profile = watcher.finish(Ending::ProgramEnded);
    assert!(child.wait().expect("ends").success());
    assert!(profile.time[Class::Cpu] < profile.wall / 4, "{profile:?}");
}

#[test]
fn who_is_gone_cannot_be_watched() {
    let mut child = Command::new("true").spawn().expect("starts");
    let pid = child.id().cast_signed();
    child.wait().expect("ends");
    let refused = Watcher::attach(pid, Scope::Tree, Options::default());
    assert!(matches!(refused, Err(AttachError::Gone { .. })));
}
