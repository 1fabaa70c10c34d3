use super::*;

fn needs_shell(text: &str) -> bool {
    read(text.as_bytes()).expect("reads").words.is_none()
}

fn quotings(text: &str) -> Vec<Quoting> {
    read(text.as_bytes())
        .expect("reads")
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Placeholder { quoting, .. } => Some(*quoting),
            Piece::Literal(_) => None,
        })
        .collect()
}

#[test]
fn plain_commands_need_no_shell() {
    for text in [
        "sleep 1",
        "gzip -k {}",
        "grep 'a b' {}",
        "printf \"%s\\n\" {}",
        "a\\ b {}",
        "cp {} {.}.bak",
        "echo a=b",
        "{}",
        "echo $ 5",
        "git log a^..b",
    ] {
        assert!(!needs_shell(text), "{text}");
    }
}

#[test]
fn shell_syntax_needs_a_shell() {
    for text in [
        "a | b",
        "a > {}",
        "a;b",
        "echo $HOME",
        "echo \"$HOME\"",
        "echo $(id)",
        "echo `id`",
        "ls *.c",
        "ls ~/x",
        "X=1 env",
        "cd {} && ls",
        "exit {}",
        "a\nb",
        "a # b",
        "(a)",
        "! a",
        "for i in 1; do echo $i; done",
        "a <<< {}",
        "[[ -f {} ]]",
        "echo $((1+1))",
        "a &",
    ] {
        assert!(needs_shell(text), "{text}");
    }
}

#[test]
fn knows_the_quotes_around_each_placeholder() {
    use Quoting::{Arithmetic, Bare, Double, Single};
    assert_eq!(
        quotings("a {} \"{} $(b {} '{}' \"{}\") {}\" '{}'"),
        [Bare, Double, Bare, Single, Double, Double, Single]
    );
    assert_eq!(quotings("echo $(( ({} + 1) * 2 )) {}"), [Arithmetic, Bare]);
    assert_eq!(quotings("echo ${1} ${x} {}"), [Bare]);
    assert_eq!(quotings("(cd {} && ls) | sort > {}.out"), [Bare, Bare]);
    assert_eq!(quotings("echo a # {}\ncat {}"), [Bare]);
    assert_eq!(quotings("echo \\\" {} \\' {}"), [Bare, Bare]);
}

#[test]
fn a_variable_ends_where_the_input_begins() {
    let script = read(b"echo $x{} \"$1{}\"").expect("reads");
    let literals: Vec<_> = script
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Literal(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Piece::Placeholder { .. } => None,
        })
        .collect();
    assert_eq!(literals, ["echo ${x}", " \"${1}", "\""]);
}

#[test]
fn refuses_places_where_no_quoting_is_safe() {
    for text in [
        "echo `cat {}`",
        "cat <<E\n{}\nE",
        "echo \\{}",
        "echo \"\\{}\"",
        "echo $'{}'",
    ] {
        assert!(
            matches!(
                read(text.as_bytes()),
                Err(TemplateError::UnsafePlace { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn refuses_what_only_a_whole_shell_parser_could_follow() {
    for text in [
        "echo \"r: $(case {} in *.gz) echo {} ;; esac)\"",
        "echo $[{}+1]",
        "a[{}]=1",
        "[[ {} -gt 5 ]] && echo",
        "echo \"$((echo a) ; echo {})\"",
        "echo $'\\'' {}",
        "echo ${x%'}'} '{}'",
        "echo ${x:-{}}",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(
        quotings("if (( {} > 5 )); then echo {}; fi"),
        [Quoting::Arithmetic, Quoting::Bare]
    );
    assert_eq!(
        quotings("for ((i=0;i<{};i++)); do :; done"),
        [Quoting::Arithmetic]
    );
    assert_eq!(quotings("a$(b)#c {}"), [Quoting::Bare]);
}

#[test]
fn finds_who_would_read_an_input_again() {
    let reader = |text: &str| {
        read(text.as_bytes())
            .expect("reads")
            .read_twice_by
            .is_some()
    };
    for text in [
        "true; sh -c 'echo {}'",
        "$SHELL -c \"echo {}\"; true",
        "trap 'rm {}.tmp' EXIT; true",
        "sh -c 'echo '{} | cat",
        "sh -c 'echo '\"{}\" | cat",
        "bash -o pipefail -c 'echo {}' | cat",
        "cat x | xargs sh -c 'echo {}'",
        "echo $(sh -c 'echo {}')",
        "sh >out -c 'echo {}'",
    ] {
        assert!(reader(text), "{text}");
    }
    for text in [
        "sh -c 'echo' | tee '{}'",
        "cd x && sh -c 'echo \"$1\"' sh {}",
        "eval x; echo {}",
    ] {
        assert!(!reader(text), "{text}");
    }
}

#[test]
fn names_what_is_not_closed() {
    for text in [
        "echo 'a", "echo \"a", "echo $(a", "(a", "echo `a", "a \\", "echo ${a",
    ] {
        assert!(
            matches!(read(text.as_bytes()), Err(TemplateError::Unclosed { .. })),
            "{text}"
        );
    }
}

#[test]
fn finds_the_script_of_a_shell_command() {
    let index =
        |words: &[&str]| script_word_of(&words.iter().map(|w| w.as_bytes()).collect::<Vec<_>>());
    assert_eq!(index(&["sh", "-c", "echo"]), Some(2));
    assert_eq!(index(&["/bin/bash", "-e", "-lc", "echo"]), Some(3));
    assert_eq!(index(&["sh", "script", "-c"]), None);
    assert_eq!(index(&["python3", "-c", "x"]), None);
    assert_eq!(index(&["sh", "-c"]), None);
    assert_eq!(index(&["bash", "-euo", "pipefail", "-c", "echo"]), Some(4));
    assert_eq!(index(&["bash", "-o", "pipefail", "-c", "echo"]), Some(4));
    assert_eq!(index(&["sh", "-c", "--", "echo"]), Some(3));
    assert_eq!(index(&["sh", "-c", "-e", "echo"]), Some(3));
    assert_eq!(index(&["$SHELL", "-c", "echo"]), Some(2));
    assert_eq!(index(&["sudo", "-u", "x", "bash", "-ec", "echo"]), Some(5));
    assert_eq!(index(&["sh", "x", "bash", "-c", "echo"]), Some(4));
}
