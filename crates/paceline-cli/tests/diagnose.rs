//! A program under `paceline diagnose` is left as it is: what goes in, what comes out, how it ends.
#![allow(clippy::unwrap_used)]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use rustix::process::Signal;
use support::{Output, Paceline, Running, Scratch, wait_until};

/// Ends when it is let go, and says that it has begun.
const WAITING: &str = "touch begun; until test -e go; do sleep 0.005; done; exit 7";

fn diagnose(scratch: &Scratch) -> Paceline {
    scratch.paceline().arg("diagnose")
}

fn begun(scratch: &Scratch, flags: &[&str], script: &str) -> Running {
    let run = diagnose(scratch).args(flags);
    let mut running = run.args(["--", "sh", "-c", script]).start();
    running.wait_until("it has begun", || scratch.exists("begun"));
    running
}

#[track_caller]
fn says(running: &mut Running, what: &str) {
    wait_until(what, || {
        let said = running.stderr().contains(what);
        assert!(said || !running.has_ended(), "{}", running.stderr());
        said
    });
}

/// The lines of a verdict are the last that were written.
#[track_caller]
fn has_verdict(output: &Output) {
    assert!(
        output.stderr.contains("paceline: ") && output.stderr.contains("\n  cause  "),
        "{output:?}"
    );
}

#[test]
fn streams_pass_through_byte_for_byte() {
    let scratch = Scratch::new();
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let output = diagnose(&scratch)
        .args(["--", "sh", "-c", "cat; echo said >&2; exit 3"])
        .input(&input)
        .end()
        .with_code(3);
    assert!(output.stdout == input, "what came out is another");
    assert!(output.stderr.starts_with("said\n"), "{output:?}");
    has_verdict(&output);
    assert!(scratch.processes().is_empty());
}

#[test]
fn the_exit_code_is_that_of_the_program() {
    let scratch = Scratch::new();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
        ("kill -SEGV $$", 139),
    ] {
        let run = diagnose(&scratch).args(["--", "sh", "-c", script]);
        has_verdict(&run.end().with_code(code));
    }
}

#[test]
fn words_arrive_as_they_are() {
    let scratch = Scratch::new();
    let odd = OsStr::from_bytes(b"a b\n$(touch ran)'\"\\ \xff --help");
    let output = diagnose(&scratch)
        .args(["printf", "%s|"])
        .args(["", "--pid", "-o", "*", "--"])
        .arg(odd)
        .end()
        .with_code(0);
    let expected = [b"|--pid|-o|*|--|", odd.as_bytes(), b"|"].concat();
    assert_eq!(output.stdout, expected);
    assert!(!scratch.exists("ran"));
}

/// What a program can see of how it was started.
const SURROUNDINGS: &str = "env | sort | grep -v ^_=; ls -l /proc/self/fd | sed 's/.*[0-9] \\([0-9]* ->\\)/\\1/; s/[0-9]*]$//; /fd$/d'; \
    ulimit -a; ulimit -Ha; grep -E '^(Sig|Shd)(Ign|Blk|Cgt|Pnd)' /proc/self/status; \
    pwd; umask; cut -d' ' -f5,6,7,8 /proc/$$/stat; nice";

#[test]
fn a_program_is_started_as_if_we_were_not_there() {
    let scratch = Scratch::new();
    let plain = scratch.shell(SURROUNDINGS).end().with_code(0);
    let watched = diagnose(&scratch)
        .args(["/bin/sh", "-c", SURROUNDINGS])
        .end()
        .with_code(0);
    assert!(plain.lines().len() > 20, "{plain:?}");
    assert_eq!(watched.text(), plain.text());
}

#[test]
fn what_the_program_closes_is_closed() {
    let scratch = Scratch::new();
    // The shell ends when the stream does; only then is the program let go.
    let output = scratch
        .shell(
            "\"$PACELINE\" diagnose -o v -- sh -c 'echo x; exec >&-; until test -e go; do sleep 0.005; done' | \
             { cat; echo end; touch go; }",
        )
        .end()
        .with_code(0);
    assert_eq!(output.lines(), ["x", "end"]);
}

#[test]
fn with_a_duration_the_verdict_comes_then_and_the_program_goes_on() {
    let scratch = Scratch::new();
    let mut running = begun(&scratch, &["--duration", "200ms", "-o", "v"], WAITING);
    running.wait_until("the verdict is there", || scratch.text("v").ends_with('\n'));
    assert!(scratch.flowing("v").contains("it goes on"));
    assert!(!running.has_ended());
    scratch.write("go", "");
    let output = running.end().with_code(7);
    assert_eq!(output.stderr, "");
}

#[test]
fn requests_to_end_are_passed_on() {
    let scratch = Scratch::new();
    for (signal, name, code) in [
        (Signal::TERM, "TERM", 143),
        (Signal::HUP, "HUP", 129),
        (Signal::INT, "INT", 130),
        (Signal::QUIT, "QUIT", 131),
    ] {
        let _ = fs::remove_file(scratch.path("begun"));
        let script = format!(
            "trap 'echo {name}; exit {code}' {name}; {}",
            WAITING.replace("sleep 0.005", "sleep 0.005 & wait")
        );
        let running = begun(&scratch, &[], &script);
        running.signal(signal);
        let output = running.end().with_code(code);
        assert_eq!(output.text(), format!("{name}\n"), "once");
        has_verdict(&output);
    }
}

#[test]
fn the_second_interrupt_shows_the_verdict_and_the_third_leaves() {
    let scratch = Scratch::new();
    let deaf = format!("trap '' INT; {WAITING}");
    let mut running = begun(&scratch, &[], &deaf);
    running.signal(Signal::INT);
    says(&mut running, "waiting for the program to end (Ctrl-C again");
    running.signal(Signal::INT);
    says(&mut running, "until you stopped it");
    assert!(!running.has_ended());
    running.signal(Signal::INT);
    wait_until("it has left", || running.has_ended());
    assert!(!scratch.processes().is_empty(), "the program goes on");
    scratch.write("go", "");
    let output = running.end().with_code(130);
    assert_eq!(
        output.stderr.matches("\n  cause  ").count(),
        1,
        "{output:?}"
    );
}

#[test]
fn after_the_verdict_the_program_is_still_waited_for() {
    let scratch = Scratch::new();
    let mut running = begun(&scratch, &[], &format!("trap '' INT; {WAITING}"));
    running.signal(Signal::INT);
    says(&mut running, "waiting for the program to end");
    running.signal(Signal::INT);
    says(&mut running, "until you stopped it");
    scratch.write("go", "");
    running.end().with_code(7);
}

#[test]
fn nothing_runs_that_cannot_be() {
    let scratch = Scratch::new();
    let no_interpreter = scratch.script("bad", "");
    fs::write(&no_interpreter, "#!/no/such/interpreter\n").unwrap();
    for (word, code, what) in [
        ("no-such-program", 127, "command not found: no-such-program"),
        ("./no-such-file", 127, "command not found: ./no-such-file"),
        (
            "/etc/passwd",
            126,
            "cannot be executed (permission denied): /etc/passwd",
        ),
        ("", 127, "an empty name"),
        ("touch ran; true", 127, "command not found: touch ran; true"),
        (
            no_interpreter.to_str().unwrap(),
            127,
            "cannot be executed (No such file",
        ),
    ] {
        let output = diagnose(&scratch).arg("--").arg(word).end().with_code(code);
        assert!(output.stderr.contains(what), "{output:?}");
        assert!(output.stderr.contains("\n  hint: "), "{output:?}");
        assert!(!output.stderr.contains("cause"), "{output:?}");
        assert!(!scratch.exists("ran"));
    }
}

#[test]
fn a_verdict_that_cannot_be_written_is_found_out_first_or_shown() {
    let scratch = Scratch::new();
    for path in ["no/such/directory", "."] {
        let output = diagnose(&scratch)
            .args(["-o", path, "touch", "ran"])
            .end()
            .with_code(2);
        assert!(
            output.stderr.contains("cannot write the verdict"),
            "{output:?}"
        );
        assert!(output.stderr.contains("nothing was run"), "{output:?}");
        assert!(!scratch.exists("ran"));
    }
    let full = diagnose(&scratch).args(["-o", "/dev/full", "true"]).end();
    has_verdict(&full.with_code(110));
    let fails = diagnose(&scratch).args(["-o", "/dev/full", "false"]).end();
    has_verdict(&fails.with_code(1));
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let scratch = Scratch::new();
    for (args, what) in [
        (
            &["--duration", "0", "touch", "ran"][..],
            "nothing can be seen in no time",
        ),
        (
            &["--duration", "soon", "touch", "ran"],
            "\"soon\" is not a time",
        ),
        (&["--duration=-1", "touch", "ran"], "--duration"),
        (&["--format", "xml", "touch", "ran"], "text, json"),
        (&["--pid", "0"], "0 is not in 1.."),
        (&["--pid", "99999999999"], "99999999999"),
        (&["--pid", "1", "touch", "ran"], "cannot be used with"),
        (&[], "COMMAND"),
    ] {
        let output = diagnose(&scratch).args(args).end().with_code(2);
        assert!(output.stderr.contains(what), "{what:?} in {output:?}");
        assert!(!scratch.exists("ran"));
    }
}

#[test]
fn nobody_has_to_listen() {
    let scratch = Scratch::new();
    // Neither the program's reader nor ours.
    let output = scratch
        .shell("\"$PACELINE\" diagnose sh -c 'exit 5' 2>&-; echo $?; { \"$PACELINE\" diagnose yes; echo $? >&2; } | head -1")
        .end()
        .with_code(0);
    assert_eq!(output.lines(), ["5", "y"]);
    assert!(output.stderr.ends_with("141\n"), "{output:?}");
    wait_until("all have ended", || scratch.processes().is_empty());
}
