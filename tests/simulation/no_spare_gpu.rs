//! Every GPU serves: what is tested takes the place of a replica, and production has it back when that has ended.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::story::{CANARIES, ESCALATIONS, PROMOTIONS, RUNS, Story, assert_kept, assert_told, assert_writes, text};

const NAME: &str = "no-spare-gpu";
const GIVE_BACK: &str = "/metadata/annotations/phaseloop.dev~1give-back";

/// A time for which the target lent a replica: to which kind, from when to when.
struct Loan {
    borrower: String,
    since: Timestamp,
    until: Timestamp,
}

#[test]
fn runs_and_searches_borrow_a_replica_and_give_it_back() {
    let story = Story::in_file(NAME);
    assert_kept(&story, &["i17_", "i37_", "i38_"]);
    assert_eq!(story.verdicts(), ["Unknown", "Unknown", "Unknown", "Degraded", "Degraded", "Healthy"]);
    let phases: Vec<Value> =
        story.objects(PROMOTIONS).iter().map(|promotion| promotion["status"]["phase"].clone()).collect();
    assert_eq!(phases, ["Validated"]);

    let loans = loans(&story);
    let of = |kind: &str| loans.iter().filter(|loan| loan.borrower == kind).collect::<Vec<_>>();
    assert_eq!((of("PhaseRun").len(), loans.len()), (6, 7), "each run once, and the search once for all its canaries");
    for (run, loan) in story.objects(RUNS).iter().zip(of("PhaseRun")) {
        let ended: Timestamp = text(run, "/status/domains/0/endedAt").parse().unwrap();
        assert!(loan.until.duration_since(ended) < SignedDuration::from_secs(2), "{} until {}", ended, loan.until);
        assert_eq!(run["status"]["borrowed"]["to"], 1);
        assert_eq!(text(run, "/status/borrowed/givenBackAt"), loan.until.to_string());
        assert_eq!(run["metadata"].get("finalizers"), None, "nothing is owed any more");
    }
    check_search(&story, &of("Escalation"));
    let target = story.versions("deployments.apps", "llama-13b").pop().unwrap();
    assert_eq!((&target["spec"]["replicas"], target.pointer(GIVE_BACK)), (&Value::from(2), None));
    assert_told(&story, NAME);
    assert_writes(&story, NAME);
}

/// What the Escalation borrowed for its search is given back when the winner is promoted.
fn check_search(story: &Story, loans: &[&Loan]) {
    let [loan] = loans else { panic!("{} loans", loans.len()) };
    let canaries = story.objects(CANARIES);
    let begun: Vec<Timestamp> =
        canaries.iter().map(|canary| text(canary, "/status/begunAt").parse().unwrap()).collect();
    assert!(begun.len() > 4 && begun.iter().all(|begun| loan.since <= *begun && *begun < loan.until), "{begun:?}");
    let promoted_at: Timestamp = text(&story.objects(PROMOTIONS)[0], "/metadata/creationTimestamp").parse().unwrap();
    assert!(loan.until.duration_since(promoted_at).abs() <= SignedDuration::from_secs(1), "{}", loan.until);
    let stalled = |escalation: &Value| text(escalation, "/status/state") == "Stalled";
    assert!(!story.versions(ESCALATIONS, "llama-13b").iter().any(stalled), "what a run borrows comes back");
    let borrowed = |escalation: &Value| !text(escalation, "/status/tuning/borrowed/since").is_empty();
    assert!(story.versions(ESCALATIONS, "llama-13b").iter().any(borrowed), "and it says so while it holds it");
}

/// What the target's versions tell, and the operator's writes, which say when.
fn loans(story: &Story) -> Vec<Loan> {
    let is_own = |write: &&String| write.contains("phaseloop-system") && write.contains(" patch deployments.apps ");
    let writes = story.writes();
    let mut times = writes.iter().filter(is_own).map(|write| write.split(' ').next().unwrap().parse().unwrap());
    let versions = story.versions("deployments.apps", "llama-13b");
    let marks = |target: &Value| {
        let annotation = |name: &str| text(target, &format!("/metadata/annotations/phaseloop.dev~1{name}")).to_owned();
        (annotation("give-back"), annotation("promotion"))
    };
    let mut loans = Vec::new();
    for pair in versions.windows(2) {
        let (before, after) = (marks(&pair[0]), marks(&pair[1]));
        let is_lent = !after.0.is_empty();
        assert_eq!(pair[1]["spec"]["replicas"], if is_lent { 1 } else { 2 }, "number and note are never apart");
        if before == after {
            continue;
        }
        let at: Timestamp = times.next().unwrap();
        if !before.0.is_empty() && !is_lent {
            let note: Value = serde_json::from_str(&before.0).unwrap();
            let borrower = text(&note, "/borrower/kind").to_owned();
            loans.push(Loan { borrower, since: text(&note, "/since").parse().unwrap(), until: at });
        }
    }
    assert_eq!(times.next(), None, "each write of the operator is one of these");
    loans
}
