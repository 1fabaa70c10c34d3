//! What is around a program of the corpus while it runs: compiled sources, a server, input, a folder.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::file::{Program, folder, programs};
use crate::started::Server;

/// Where programs are compiled into and data is made, once for all tests.
pub(super) struct Place {
    directory: TempDir,
    python: PathBuf,
}

impl Place {
    /// Compiles all sources. It is on the disk that the build is on, since not every temporary
    /// directory can be read past the page cache.
    pub(super) fn make() -> Self {
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let place = Self {
            directory,
            python: python(),
        };
        fs::create_dir(place.bin()).expect("it can be made");
        fs::create_dir(place.data()).expect("it can be made");
        for program in [
            env!("CARGO_BIN_EXE_lab-get"),
            env!("CARGO_BIN_EXE_lab-job"),
            env!("CARGO_BIN_EXE_lab-tokio"),
        ] {
            let name = Path::new(program).file_name().expect("a name");
            symlink(program, place.bin().join(name)).expect("it can be linked");
        }
        for program in programs() {
            place.compile(&program);
            for data in &program.prepare {
                let mut making = Command::new(&place.python);
                making
                    .arg(folder().join("prepare.py"))
                    .arg(data)
                    .arg(place.data());
                assert!(making.status().expect("Python runs").success(), "{data}");
            }
        }
        place
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn compiled(&self, program: &Program) -> PathBuf {
        self.bin()
            .join(program.command[0].trim_start_matches("{bin}/"))
    }

    /// Compiles a program in C, unless it needs what the compiler does not have.
    fn compile(&self, program: &Program) {
        let into = self.compiled(program);
        if program.language != "c" || into.exists() {
            return;
        }
        let name = into
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let source = folder().join("c").join(format!("{name}.c"));
        let done = Command::new("cc")
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"])
            .args(&program.libraries)
            .arg("-o")
            .args([&into, &source])
            .arg("-lm")
            .output()
            .expect("there is a C compiler");
        let complaint = String::from_utf8_lossy(&done.stderr);
        let optional = !program.libraries.is_empty() && !complaint.contains("error: ");
        assert!(
            done.status.success() || optional,
            "{}: {complaint}",
            source.display()
        );
    }

    /// Why a program cannot run here.
    pub(super) fn missing(&self, program: &Program) -> Option<String> {
        let absent = program.language == "c" && !self.compiled(program).exists();
        absent.then(|| format!("the compiler cannot do {:?}", program.libraries))
    }
}

/// The interpreter itself, not what chooses one of several.
fn python() -> PathBuf {
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output()
        .expect("there is Python 3");
    PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim())
}

/// What one run needs; it goes when this does.
pub(super) struct Around<'a> {
    place: &'a Place,
    scratch: TempDir,
    server: Option<Server>,
    beside: Option<Child>,
    feed: usize,
    scale: f64,
}

impl<'a> Around<'a> {
    pub(super) fn start(place: &'a Place, program: &Program, scale: f64) -> Result<Self, String> {
        let scratch = TempDir::new_in(place.directory.path()).map_err(|error| error.to_string())?;
        let mut around = Self {
            place,
            scratch,
            server: program.server.as_ref().map(|flags| {
                let flags: Vec<_> = flags.iter().map(String::as_str).collect();
                Server::start(&flags)
            }),
            beside: None,
            feed: program.feed,
            scale: scale * program.scale,
        };
        if !program.beside.is_empty() {
            let mut child = around
                .command(&program.beside)
                .stdout(Stdio::piped())
                .spawn()
                .map_err(|error| format!("{:?}: {error}", program.beside))?;
            let stdout = child.stdout.take().ok_or("it has no pipe")?;
            around.beside = Some(child);
            let mut ready = String::new();
            BufReader::new(stdout)
                .read_line(&mut ready)
                .map_err(|error| error.to_string())?;
        }
        Ok(around)
    }

    fn command(&self, words: &[String]) -> Command {
        let mut words = words.iter().map(|word| self.filled(word));
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .env("LAB_SCALE", self.scale.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn filled(&self, word: &str) -> String {
        let server = self
            .server
            .as_ref()
            .map_or("", |server| server.url.as_str());
        let seconds = (3.5 * self.scale).to_string();
        [
            ("{python}", self.place.python.to_string_lossy()),
            ("{corpus}", folder().to_string_lossy()),
            ("{bin}", self.place.bin().to_string_lossy()),
            ("{data}", self.place.data().to_string_lossy()),
            ("{scratch}", self.scratch.path().to_string_lossy()),
            ("{server}", server.into()),
            ("{seconds}", seconds.as_str().into()),
            ("{level}", "2".into()),
        ]
        .iter()
        .fold(word.to_owned(), |word, (name, value)| {
            word.replace(name, value)
        })
    }

    /// Runs it to its end.
    pub(super) fn run(&self, words: &[String]) -> Result<(), String> {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{words:?}: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // Who does not read has ended perhaps.
            let _ = stdin.write_all("line\n".repeat(self.feed).as_bytes());
        }
        let Output { status, stderr, .. } = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "{words:?}: {status}: {}",
            String::from_utf8_lossy(&stderr)
        ))
    }
}

impl Drop for Around<'_> {
    fn drop(&mut self) {
        if let Some(child) = &mut self.beside {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
