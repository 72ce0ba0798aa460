//! A story in memory and on a real API server: `tests/run api` starts one and runs this.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on fails"
)]

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Names the kubeconfig of an API server that may be written to, and has no nodes and no controllers.
const KUBECONFIG: &str = "PHASELOOP_TEST_KUBECONFIG";
const SCENARIO: &str = "scenarios/four-nights.yaml";

#[allow(clippy::disallowed_methods, reason = "whether there is a control plane is told by the caller")]
fn kubeconfig() -> Option<PathBuf> {
    let path = env::var(KUBECONFIG).ok().filter(|value| !value.is_empty());
    if path.is_none() {
        // Written past the test runner, which keeps what a passing test prints to itself.
        let said = b"NOT RUN: a story on a real API server; tests/run api starts one\n";
        std::io::stderr().write_all(said).unwrap();
    }
    path.map(PathBuf::from)
}

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_phaseloop"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("simulate")
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The ordered writes of a run, and its answer but for the wall time.
fn told(output: &Output) -> (Vec<String>, Value, f64) {
    let stdout = text(&output.stdout);
    let begin = stdout.find("\n{").unwrap_or_else(|| panic!("no answer: {stdout}{}", text(&output.stderr)));
    let (writes, answer) = stdout.split_at(begin);
    let mut answer: Value = serde_json::from_str(answer).unwrap();
    let seconds = answer["wallSeconds"].take().as_f64().unwrap();
    (writes.lines().map(str::to_owned).collect(), answer, seconds)
}

/// One test, since what it does on the API server follows on one another.
#[test]
fn a_story_on_a_real_api_server_is_that_in_memory_write_by_write() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let kubeconfig = kubeconfig.to_str().unwrap();
    let common = [SCENARIO, "--events", "--output", "json"];
    let on_server: Vec<&str> = common.iter().copied().chain(["--kubeconfig", kubeconfig]).collect();
    let with = |flags: &[&'static str]| simulate(&[&on_server[..], flags].concat());

    let here = told(&simulate(&common));
    let kept = with(&["--install", "--keep", "--replace"]);
    let there = told(&kept);
    for (index, (one, other)) in here.0.iter().zip(&there.0).enumerate() {
        assert_eq!(one, other, "write {index}");
    }
    assert_eq!(here.0.len(), there.0.len());
    assert_eq!(here.1, there.1);
    assert!(kept.status.success(), "{}", text(&kept.stderr));
    assert_eq!(here.1["promotions"][0]["phase"], "Validated", "it is a story in which something happens");
    let said = format!("four nights: {:.1} s in memory, {:.1} s on a real API server\n", here.2, there.2);
    std::io::stderr().write_all(said.as_bytes()).unwrap();

    refuses(&with(&["--install"]), &["an earlier run", "namespace chat", "node gpu-a", "remedy: --replace"]);
    let short = one_night();
    let replaced = simulate(&[&short, "--nights", "1", "--kubeconfig", kubeconfig, "--install", "--replace"]);
    assert!(text(&replaced.stdout).contains("night 1"), "{}", text(&replaced.stderr));
    // It has removed what it made, its definitions as well.
    refuses(&with(&[]), &["the definition phaseschedules.phaseloop.dev is missing", "remedy:", "--install"]);
    refuse_who_may_not(kubeconfig);
}

/// The scenario without the nights before the first, as a file.
fn one_night() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCENARIO)).unwrap();
    let begin = text.find("  expect:").unwrap();
    let end = text.find("\n---").unwrap();
    let short = format!("{}{}", &text[..begin], &text[end..]).replace("nightsBefore: 5", "nightsBefore: 0");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-night.yaml");
    fs::write(&file, short).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Nobody is let in who may not do everything, and nobody whom the API server does not know.
fn refuse_who_may_not(kubeconfig: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let original = fs::read_to_string(kubeconfig).unwrap();
    let changed = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        simulate(&["--kubeconfig", file.to_str().unwrap()])
    };
    let weak = original.replace("user: {token:", "user: {as: jane, token:");
    assert_ne!(weak, original);
    refuses(&changed("weak.kubeconfig", weak), &["may not do everything", "remedy:", "cluster-admin"]);
    let unknown = original.replace("user: {token: \"", "user: {token: \"x");
    refuses(&changed("unknown.kubeconfig", unknown), &["401", "remedy:"]);
}

fn refuses(output: &Output, texts: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{}{stderr}", text(&output.stdout));
    assert!(!stderr.contains("panicked"), "{stderr}");
    for wanted in texts {
        assert!(stderr.contains(wanted), "no {wanted:?} in: {stderr}");
    }
}

#[test]
fn an_api_server_that_is_not_there_is_named_with_a_remedy() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nobody.kubeconfig");
    // Port 1 is nobody's: the system refuses the connection at once.
    let text = r#"
apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: test, user: {token: x}}]
"#;
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    refuses(&simulate(&["--kubeconfig", file]), &["http://127.0.0.1:1 can't be reached", "remedy:"]);
    refuses(&simulate(&["--kubeconfig", "gone.kubeconfig"]), &["gone.kubeconfig can't be used", "remedy:"]);
    let keep = simulate(&["--keep"]);
    assert_eq!(keep.status.code(), Some(64), "{}", self::text(&keep.stderr));
}
