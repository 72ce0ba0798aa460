use std::ffi::OsString;

use super::*;
use crate::{
    args::{Command, parse},
    exit::Exit,
    workload::TestPodSettings,
};

fn arguments(line: &str) -> OperatorArguments {
    let words = ["phaseloop", "operator"].into_iter().chain(line.split_whitespace());
    match parse(words.map(OsString::from)) {
        Ok(Command::Operator(arguments)) => *arguments,
        other => panic!("{line}: {other:?}"),
    }
}

fn configuration(line: &str) -> Result<OperatorConfiguration, ConfigurationError> {
    arguments(&format!("--image phaseloop:1 --identity a {line}")).configuration()
}

#[test]
fn an_image_is_all_that_must_be_named() {
    let made = configuration("").unwrap();
    assert_eq!((made.test_pods.image.as_str(), made.lease.identity.as_str()), ("phaseloop:1", "a"));
    assert_eq!(made.namespaces, Namespaces::Own);
    assert_eq!(made.lease.terms, LeaseTerms::default());
    assert_eq!(made.address, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(made.shutdown_grace.as_secs(), 25);
}

#[test]
fn what_test_pods_are_made_with_is_told_and_has_defaults() {
    let made = configuration("").unwrap().test_pods;
    assert_eq!(made, TestPodSettings::for_image("phaseloop:1"));
    let line = "--test-pod-pull-policy Always --test-pod-pull-secret registry --probe-cpu 500m --probe-memory 2Gi";
    let told = configuration(line).unwrap().test_pods;
    let expected = TestPodSettings {
        image_pull_policy: Some("Always".to_owned()),
        image_pull_secret: Some("registry".to_owned()),
        probe_cpu: "500m".to_owned(),
        probe_memory: "2Gi".to_owned(),
        ..TestPodSettings::for_image("phaseloop:1")
    };
    assert_eq!(told, expected);
}

#[test]
fn namespaces_are_named_once_each_or_are_all() {
    let named = |names: &[&str]| Namespaces::Named(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(configuration("--namespace chat,rag --namespace chat").unwrap().namespaces, named(&["chat", "rag"]));
    assert_eq!(configuration("--all-namespaces").unwrap().namespaces, Namespaces::All);
    let many: Vec<String> = (0..=NAMESPACES_MAX).map(|number| format!("n{number}")).collect();
    let error = configuration(&format!("--namespace {}", many.join(","))).unwrap_err();
    assert_eq!(error.flag, "--namespace");
    assert!(error.to_string().contains("65 namespaces, 64 at most\n  remedy: --all-namespaces"), "{error}");
    assert!(configuration(&format!("--namespace {}", many[1..].join(","))).is_ok());
}

#[test]
fn flags_that_do_not_go_together_are_named_with_a_remedy() {
    for (line, flag, problem) in [
        ("--lease-renew-deadline 13s", "--lease-renew-deadline", "13s: a leader must stop leading at least 3s before"),
        ("--lease-duration 90m", "--lease-duration", "1h30m: a lease lasts whole seconds, from 1s to 300s"),
        ("--lease-retry-period 6s", "--lease-retry-period", "6s: the lease must be asked for at least twice"),
        ("--shutdown-grace 0s", "--shutdown-grace", "0s is not within 1s and 1h"),
    ] {
        let error = configuration(line).unwrap_err();
        assert_eq!(error.flag, flag, "{line}");
        assert!(error.to_string().contains(problem) && error.to_string().contains("\n  remedy: "), "{error}");
    }
}

#[test]
fn a_value_that_can_t_be_used_is_wrong_usage_and_named_by_its_flag() {
    for (line, flag) in [
        ("--image x --namespace Chat", "--namespace"),
        ("--image x --probe-cpu none", "--probe-cpu"),
        ("--image x --namespace a-", "--namespace"),
        ("--image x --namespace a --all-namespaces", "--all-namespaces"),
        ("", "--image"),
        ("--image x --address here", "--address"),
        ("--image x --log-level loud", "--log-level"),
        ("--image x --log-format xml", "--log-format"),
        ("--image x --lease-name A", "--lease-name"),
        ("--image x --lease-duration 15", "--lease-duration"),
        ("--image x --lease-duration=-15s", "--lease-duration"),
    ] {
        let words = ["phaseloop", "operator"].into_iter().chain(line.split_whitespace()).map(OsString::from);
        let refusal = parse(words).unwrap_err();
        let told = refusal.0.to_string();
        assert!(told.contains(flag), "{line}: {told}");
        assert_eq!(refusal.print(), Exit::Usage.into(), "{line}");
    }
}

#[test]
fn the_machine_s_name_serves_where_no_other_is_given() {
    let made = arguments("--image x").configuration().unwrap();
    assert!(!made.lease.identity.is_empty());
}
