use super::*;

fn template(command: CommandLine) -> Template {
    Template::parse(command, Insert::Inputs, "/bin/sh".into()).expect("a good template")
}

fn line(text: &str) -> Template {
    template(CommandLine::Words(vec![text.as_bytes().to_vec()]))
}

fn words(words: &[&str]) -> CommandLine {
    CommandLine::Words(words.iter().map(|w| w.as_bytes().to_vec()).collect())
}

fn rendered(template: &Template, args: &[&str]) -> Vec<String> {
    let args: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
    let mut argv = Argv::new();
    template
        .render(
            &JobContext {
                args: &args,
                seq: 7,
                slot: 3,
            },
            &mut argv,
        )
        .expect("renders");
    argv.iter()
        .map(|a| String::from_utf8(a.to_vec()).expect("text"))
        .collect()
}

#[test]
fn fills_in_without_a_shell() {
    assert_eq!(
        rendered(&line("cp {} {.}.{#}.{%}"), &["a b.txt"]),
        ["cp", "a b.txt", "a b.7.3"]
    );
    assert_eq!(
        rendered(&line("echo \"<{}>\" x"), &["a"]),
        ["echo", "<a>", "x"]
    );
    assert_eq!(rendered(&line("echo ''"), &["a"]), ["echo", "", "a"]);
}

#[test]
fn appends_the_input_where_no_placeholder_stands() {
    assert_eq!(rendered(&line("gzip -k"), &["x"]), ["gzip", "-k", "x"]);
    assert_eq!(
        rendered(&line("gzip -k {#}"), &["x"]),
        ["gzip", "-k", "7", "x"]
    );
    assert_eq!(rendered(&line("cat < f |"), &["x"])[2], "cat < f | 'x'");
}

#[test]
fn several_inputs_are_several_words_outside_quotes() {
    assert_eq!(
        rendered(&line("echo {}"), &["a b", "1"]),
        ["echo", "a b", "1"]
    );
    assert_eq!(
        rendered(&line("echo '{}'"), &["a b", "1"]),
        ["echo", "a b 1"]
    );
    assert_eq!(
        rendered(&line("echo {2} {1}"), &["a", "b"]),
        ["echo", "b", "a"]
    );
    assert_eq!(
        rendered(&line("echo {} | cat"), &["a b", "1"])[2],
        "echo 'a b' '1' | cat"
    );
}

#[test]
fn with_context_the_word_is_repeated() {
    let template = Template::parse(
        words(&["echo", "<{}>"]),
        Insert::InputsWithContext,
        "sh".into(),
    )
    .expect("good");
    assert_eq!(rendered(&template, &["a", "b"]), ["echo", "<a>", "<b>"]);
}

#[test]
fn inserts_nothing_when_asked_to() {
    let template =
        |text| Template::parse(words(&[text]), Insert::Nothing, "sh".into()).expect("good");
    assert_eq!(rendered(&template("sleep 1"), &["a"]), ["sleep", "1"]);
    assert_eq!(rendered(&template("echo {} {#}"), &["a"]), ["echo", "7"]);
}

#[test]
fn several_words_are_arguments_unless_one_is_an_operator() {
    assert_eq!(
        rendered(&template(words(&["grep", "a b", "{}"])), &["x"]),
        ["grep", "a b", "x"]
    );
    assert_eq!(
        rendered(&template(words(&["zcat", "{}", ">", "{.}"])), &["x.gz"])[2],
        "zcat 'x.gz' > 'x'"
    );
    assert_eq!(
        rendered(&template(words(&["exit", "{}"])), &["3"])[2],
        "exit '3'"
    );
    assert_eq!(
        rendered(&template(words(&["grep -c", "a", "{}"])), &["x"]),
        ["grep", "-c", "a", "x"]
    );
    assert_eq!(
        rendered(&template(words(&["A=b c", "env", "{}"])), &["x"])[2],
        "A=b c env 'x'"
    );
    assert!(!template(CommandLine::Argv(vec![b"echo".to_vec(), b"|".to_vec()])).uses_shell());
}

#[test]
fn the_script_of_an_explicit_shell_gets_quoted_inputs() {
    let argv = CommandLine::Argv(vec![
        b"sh".to_vec(),
        b"-c".to_vec(),
        b"echo {} \"{}\"; exit 3".to_vec(),
    ]);
    assert_eq!(
        rendered(&template(argv), &["$(touch pwned)"])[2],
        "echo '$(touch pwned)' \"\\$(touch pwned)\"; exit 3"
    );
    assert_eq!(
        rendered(&line("sh -c 'echo {}; true'"), &["a;b"])[2],
        "echo 'a;b'; true"
    );
    let raw = CommandLine::Argv(vec![b"sh".to_vec(), b"-c".to_vec(), b"{}".to_vec()]);
    assert_eq!(rendered(&template(raw), &["echo hi"])[2], "echo hi");
    let positional = words(&["sh", "-c", "echo \"$1\"", "sh", "{}"]);
    assert_eq!(rendered(&template(positional), &["a b"])[4], "a b");
}

#[test]
fn a_shell_inside_a_shell_is_refused_an_input() {
    for text in [
        "true; sh -c 'echo {}'",
        "cat {} | bash -c \"wc {}\"",
        "true && eval echo {}",
    ] {
        let parsed = Template::parse(words(&[text]), Insert::Inputs, "sh".into());
        assert!(
            matches!(parsed, Err(TemplateError::NestedShell { .. })),
            "{text}"
        );
    }
    for text in [
        "sh -c 'echo' | tee '{}'",
        "cd x && sh -c 'echo \"$1\"' sh {}",
    ] {
        assert!(
            Template::parse(words(&[text]), Insert::Inputs, "sh".into()).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn empty_commands_are_refused() {
    for command in [
        CommandLine::Words(vec![]),
        CommandLine::Argv(vec![]),
        words(&[" "]),
    ] {
        assert!(matches!(
            Template::parse(command, Insert::Inputs, "sh".into()),
            Err(TemplateError::Empty)
        ));
    }
}

#[test]
fn identities_tell_templates_apart() {
    let ids: std::collections::HashSet<_> = [
        line("echo a").identity(),
        line("echo").identity(),
        template(words(&["echo", "a"])).identity(),
        Template::parse(words(&["echo a"]), Insert::Nothing, "sh".into())
            .expect("good")
            .identity(),
    ]
    .into();
    assert_eq!(ids.len(), 4);
}
