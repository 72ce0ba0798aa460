//! The process without an API server: what it says, what it serves, how it ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::process::Process;

/// A kubeconfig of an API server at this address.
fn kubeconfig(name: &str, address: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         contexts: [{{name: test, context: {{cluster: test, user: test, namespace: ops}}}}]\n\
         clusters: [{{name: test, cluster: {{server: \"{address}\"}}}}]\n\
         users: [{{name: test, user: {{token: secret-token-bytes}}}}]\n"
    );
    fs::write(&file, text).unwrap();
    file
}

/// Port 1 is nobody's: the system refuses the connection at once.
fn without_server(name: &str, arguments: &[&str]) -> Process {
    let file = kubeconfig(name, "http://127.0.0.1:1");
    Process::start(&[&["--kubeconfig", file.to_str().unwrap(), "--identity", "a"], arguments].concat())
}

#[test]
fn an_api_server_that_is_not_there_is_named_once_and_waited_for_and_sigterm_ends_it_in_order() {
    let mut process = without_server("nobody.kubeconfig", &[]);
    process.until("it says so", |process| (process.said("http://127.0.0.1:1/") >= 2).then_some(()));
    let (code, text) = process.get("/readyz");
    assert_eq!(code, 503);
    assert!(text.starts_with("waits   APIServer: http://127.0.0.1:1/ can't be used: "), "{text}");
    assert!(text.contains("remedy: check the address"), "{text}");
    assert!(text.contains("waits   PhaseRun in namespace ops: the first list\n"), "{text}");
    assert_eq!(process.get("/healthz"), (200, "alive\n".to_owned()));
    // It has tried again by now: the same trouble is told once.
    process.until("it has tried again", |process| {
        process
            .get("/metrics")
            .1
            .lines()
            .any(|line| {
                line.strip_prefix("phaseloop_api_requests_total{verb=\"get\",kind=\"other\",code=\"none\"} ")
                    .is_some_and(|count| count.parse::<u32>().unwrap() >= 3)
            })
            .then_some(())
    });
    assert_eq!(process.said("can't be used"), 1);
    process.signal("TERM");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("ended in order") && log.contains("SIGTERM"), "{log}");
    assert!(!log.contains("secret-token-bytes"), "{log}");
}

#[test]
fn the_log_s_filter_is_changed_and_read_over_loopback() {
    let process = without_server("level.kubeconfig", &[]);
    assert_eq!(process.get("/loglevel"), (200, "info\n".to_owned()));
    assert_eq!(process.ask("PUT", "/loglevel", "debug"), (200, "debug\n".to_owned()));
    assert_eq!(process.get("/loglevel").1, "debug\n");
    let (code, problem) = process.ask("PUT", "/loglevel", "loud");
    assert_eq!(code, 400);
    assert!(problem.contains("as in info,kube=debug"), "{problem}");
    assert_eq!(process.ask("PUT", "/loglevel", &"a".repeat(2000)).0, 413);
    assert_eq!(process.ask("POST", "/loglevel", "info").0, 405);
    assert_eq!(process.get("/").0, 404);
    assert_eq!(process.get("/loglevel").1, "debug\n", "what was refused changed nothing");
}

/// An API server that tells its version and nothing else: every other request waits for ever.
fn half_dead_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let read = stream.read(&mut head).unwrap_or_default();
            if head[..read].starts_with(b"GET /version") {
                let version = r#"{"major":"1","minor":"34","gitVersion":"v1.34.4","gitCommit":"","gitTreeState":"",
                    "buildDate":"","goVersion":"","compiler":"","platform":""}"#;
                let length = version.len();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length:";
                write!(stream, "{head} {length}\r\n\r\n{version}").unwrap();
            } else {
                silent.push(stream);
            }
        }
    });
    address
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let file = kubeconfig("half-dead.kubeconfig", &half_dead_server());
    let mut process = Process::start(&["--kubeconfig", file.to_str().unwrap(), "--identity", "a"]);
    process.until("the lease is not answered for", |process| (process.said("NoAnswer") > 0).then_some(()));
    process.signal("TERM");
    process.until("it ends", |process| (process.said("ends: nothing more is begun") > 0).then_some(()));
    process.signal("INT");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("at the second signal") && !log.contains("ended in order"), "{log}");
}

#[test]
fn what_takes_longer_than_its_grace_is_cut_off() {
    let file = kubeconfig("grace.kubeconfig", &half_dead_server());
    let mut process =
        Process::start(&["--kubeconfig", file.to_str().unwrap(), "--identity", "a", "--shutdown-grace", "1s"]);
    process.until("the lease is not answered for", |process| (process.said("NoAnswer") > 0).then_some(()));
    process.signal("TERM");
    let (status, log) = process.ended();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("did not end within its grace"), "{log}");
}

#[test]
fn what_it_can_t_start_without_is_an_error_that_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (taken, file) = (taken.local_addr().unwrap().to_string(), kubeconfig("start.kubeconfig", "http://127.0.0.1:1"));
    let file = file.to_str().unwrap();
    for (arguments, code, texts) in [
        (vec!["--kubeconfig", "gone.kubeconfig"], 3, vec!["--kubeconfig: no way to an API server: ", "remedy: "]),
        (vec!["--kubeconfig", file, "--context", "other"], 3, vec!["--kubeconfig", "other", "remedy: "]),
        (vec!["--kubeconfig", file, "--address", &taken], 3, vec!["--address: ", "can't be listened on", "remedy: "]),
        (
            vec!["--kubeconfig", file, "--audit-file", "gone/folder/x"],
            3,
            vec!["--audit-file: gone/folder/x", "remedy: "],
        ),
        (vec!["--lease-renew-deadline", "20s"], 64, vec!["--lease-renew-deadline: 20s", "remedy: "]),
        (vec!["--log-level", "loud"], 64, vec!["--log-level"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_phaseloop"))
            .args(["operator", "--image", "phaseloop:1", "--identity", "a"])
            .args(if arguments.contains(&"--address") { vec![] } else { vec!["--address", "127.0.0.1:0"] })
            .args(&arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        for text in texts {
            assert!(stderr.contains(text), "{arguments:?}: no {text:?} in: {stderr}");
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}
