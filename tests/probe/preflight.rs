//! `phaseloop preflight`.

use std::process::Command;

use jiff::Timestamp;
use phaseloop::probe::{PreflightRequest, REFUSED_EXIT_CODE};

use crate::support::{Folder, ended, seconds_from_now};

fn preflight(folder: &Folder, not_after: Timestamp, copy_to: Option<String>) -> (i32, String, String) {
    let request = PreflightRequest { not_after, grace: "5s".parse().unwrap(), copy_to };
    ended(folder.program(&request.words()).spawn().unwrap())
}

#[test]
fn a_preflight_in_time_copies_a_program_that_runs() {
    let folder = Folder::new();
    let (code, _, errors) = preflight(&folder, seconds_from_now(3_600), Some(folder.itself()));
    assert_eq!(code, 0, "{errors}");
    assert_eq!(folder.mode("phaseloop"), 0o755);
    let version = Command::new(folder.path("phaseloop")).arg("--version").output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"phaseloop "), "{version:?}");
    let names: Vec<_> = std::fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["phaseloop"], "nothing half done is left, and no message");
}

#[test]
fn a_preflight_that_is_too_late_refuses_and_copies_nothing() {
    let folder = Folder::new();
    let not_after = seconds_from_now(10);
    let (code, _, _) = preflight(&folder, not_after, Some(folder.itself()));
    assert_eq!(code, REFUSED_EXIT_CODE, "two graces before the latest instant");
    assert!(!folder.path("phaseloop").exists());
    assert!(folder.message().contains(&format!("everything must have ended by {not_after}")), "{}", folder.message());
}

#[test]
fn a_preflight_without_a_folder_copies_nothing() {
    let folder = Folder::new();
    assert_eq!(preflight(&folder, seconds_from_now(3_600), None).0, 0);
    assert!(!folder.path("phaseloop").exists());
}

#[test]
fn a_copy_that_fails_leaves_nothing_and_says_why() {
    let folder = Folder::new();
    let nowhere = folder.path("nowhere").to_str().unwrap().to_owned();
    let (code, _, errors) = preflight(&folder, seconds_from_now(3_600), Some(nowhere.clone()));
    assert_eq!(code, 3);
    for text in [errors, folder.message()] {
        assert!(text.contains(&nowhere) && text.contains("remedy: "), "{text}");
    }
}

#[test]
fn words_that_are_no_request_are_wrong_usage_and_say_so_in_the_message() {
    let folder = Folder::new();
    let words = ["preflight", "--not-after", "soon"].map(str::to_owned);
    let (code, _, _) = ended(folder.program(&words).spawn().unwrap());
    assert_eq!(code, 64);
    assert!(folder.message().contains("--not-after soon"), "{}", folder.message());
}
