//! A person at work in one namespace: what they type, and what they read.

use std::{
    env,
    io::Write as _,
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
    time::Instant,
};

use serde_json::Value;

use crate::support::Place;

/// Names the kubeconfig of an administrator of the cluster in which phaseloop is installed.
const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";
/// Names the `kubectl` of the cluster's version.
const KUBECTL: &str = "PHASELOOP_TEST_KUBECTL";

/// Names the `helm` that installed phaseloop.
const HELM: &str = "PHASELOOP_TEST_HELM";
/// What it was told, one word a line.
const INSTALL: &str = "PHASELOOP_TEST_INSTALL";

/// Our kinds, as `kubectl get` takes them.
const KINDS: &str = "phaseruns,escalations,tuningcanaries,promotions.phaseloop.dev";
/// Of each of our objects the name and what each condition says: the phase in which something waits or why it ended.
const CONDITIONS: &str = r#"jsonpath={range .items[*]}{.kind}/{.metadata.name}{range .status.conditions[*]}{"\n    "}{.type}={.status} {.reason}: {.message}{end}{"\n"}{end}"#;

/// Somebody who works in a namespace. A story that fails is told once more with what failed, and with what there is then.
pub(crate) struct Person<'a> {
    place: &'a Place,
    began: Instant,
    told: Mutex<Vec<String>>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(child: Child) -> Self {
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }
}

/// A night that somebody awaits.
pub(crate) struct Night(Child);

impl Night {
    /// Nobody waits for it any more.
    pub(crate) fn forget(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Shown past the test runner: a night on real parts takes minutes, and who waits wants to see where it stands.
pub(crate) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

#[allow(clippy::disallowed_methods, reason = "what the cluster consists of is told by the caller")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("tests/cluster/with-phaseloop sets {name}"))
}

impl<'a> Person<'a> {
    #[allow(clippy::disallowed_methods, reason = "the steps of a night are shown with the time that they took")]
    pub(crate) fn new(place: &'a Place) -> Self {
        Self { place, began: Instant::now(), told: Mutex::default() }
    }

    /// Shows a line with where and when.
    pub(crate) fn tell(&self, line: &str) {
        let seconds = self.began.elapsed().as_secs();
        let line = format!("[{} {seconds:>4} s] {line}", self.place.namespace);
        say(&line);
        self.told.lock().unwrap().push(line);
    }

    /// `kubectl ARGUMENTS`, with a file on standard input.
    pub(crate) fn kubectl(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(variable(KUBECTL));
        command.args(["--namespace", &self.place.namespace]).args(arguments);
        Self::run(command, input)
    }

    /// `kubectl ARGUMENTS` by somebody who looks after the whole cluster, with a file on standard input.
    pub(crate) fn kubectl_everywhere(arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(variable(KUBECTL));
        command.args(arguments);
        Self::run(command, input)
    }

    /// `helm ARGUMENTS`.
    pub(crate) fn helm(arguments: &[&str]) -> Said {
        let mut command = Command::new(variable(HELM));
        command.args(arguments);
        Self::run(command, "")
    }

    /// `helm upgrade --install` as tests/cluster/with-phaseloop does it.
    pub(crate) fn install() -> Said {
        let words = variable(INSTALL);
        Self::helm(&words.lines().collect::<Vec<_>>())
    }

    /// The same with further words: an upgrade.
    pub(crate) fn upgrade(further: &[&str]) -> Said {
        let words = variable(INSTALL);
        Self::helm(&words.lines().chain(further.iter().copied()).collect::<Vec<_>>())
    }

    /// `phaseloop ARGUMENTS`.
    pub(crate) fn phaseloop(&self, arguments: &[&str]) -> Said {
        Self::run(self.command(arguments), "")
    }

    /// `phaseloop ARGUMENTS` by somebody who looks after the whole cluster.
    pub(crate) fn phaseloop_everywhere(arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phaseloop"));
        command.args(arguments);
        Self::run(command, "")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phaseloop"));
        command.args(arguments).args(["--namespace", &self.place.namespace]);
        command
    }

    /// What a command said that must succeed.
    fn succeed(what: &str, said: Said) -> String {
        assert_eq!(said.code, 0, "{what}: {}{}", said.out, said.err);
        said.out
    }

    fn spawn(command: &mut Command, input: &str) -> Child {
        command.env("KUBECONFIG", variable(KUBECONFIG)).env("NO_COLOR", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child
    }

    fn run(mut command: Command, input: &str) -> Said {
        Said::of(Self::spawn(&mut command, input))
    }

    /// `kubectl apply` of a file.
    pub(crate) fn apply(&self, file: &str) {
        Self::succeed(file, self.kubectl(&["apply", "--filename", "-"], file));
    }

    /// `kubectl patch --type merge`.
    pub(crate) fn patch(&self, object: &str, patch: &Value) {
        let patch = patch.to_string();
        Self::succeed(object, self.kubectl(&["patch", object, "--type", "merge", "--patch", &patch], ""));
    }

    /// `phaseloop cycle --force`: a night, now. Answers the exit code and why the cycle ended.
    pub(crate) fn night(&self, schedule: &str) -> (i32, String) {
        self.end(self.begin_night(schedule))
    }

    /// A night, now, which is awaited in another terminal.
    pub(crate) fn begin_night(&self, schedule: &str) -> Night {
        let mut command = self.command(&["cycle", schedule, "--force", "--timeout", "20m", "--output", "json"]);
        Night(Self::spawn(&mut command, ""))
    }

    /// Waits until a night has ended. Answers the exit code and why it did.
    pub(crate) fn end(&self, night: Night) -> (i32, String) {
        let said = Said::of(night.0);
        let answer: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
        self.tell(&format!("cycle ended with {}: {}: {}", said.code, text("reason"), text("message")));
        (said.code, text("reason"))
    }

    /// What a person sees at the end.
    pub(crate) fn look_around(&self) {
        let out = Self::succeed(KINDS, self.kubectl(&["get", KINDS], ""));
        for line in out.lines() {
            self.tell(line);
        }
    }
}

impl Drop for Person<'_> {
    /// What a story said went past the test runner, between what others said: where it failed, the runner has it too.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        println!("the story until it failed:");
        if let Ok(told) = self.told.lock() {
            told.iter().for_each(|line| println!("{line}"));
        }
        for arguments in [&["get", KINDS][..], &["get", KINDS, "--output", CONDITIONS], &["get", "pods"]] {
            let Said { out, err, .. } = self.kubectl(arguments, "");
            println!("{out}{err}");
        }
    }
}
