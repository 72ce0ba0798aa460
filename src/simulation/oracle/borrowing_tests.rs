use serde_json::json;

use super::*;
use crate::simulation::oracle::Oracles;

const BY_US: &str = "system:serviceaccount:phaseloop-system:phaseloop-0";
const REMEMBERED: &str = "i37_what_is_borrowed_was_remembered";
const GIVEN_BACK: &str = "i38_what_was_borrowed_is_given_back";

/// A history that is written line by line.
struct History {
    oracles: Oracles,
    now: Timestamp,
    targets: Vec<Value>,
}

impl History {
    fn new() -> Self {
        let both: [Box<dyn Invariant>; 2] =
            [Box::<BorrowingIsRemembered>::default(), Box::<BorrowedIsGivenBack>::default()];
        Self { oracles: Oracles::of(both.into()), now: Timestamp::UNIX_EPOCH, targets: vec![target(2, None)] }
    }

    fn see(mut self, kind: ChangeKind, of: &str, object: &Value) -> Self {
        let change = ObjectChange { kind, of, object, before: None, by: BY_US };
        self.oracles.see(self.now, Fact::Object(change));
        self
    }

    fn run(self, abort: bool, status: &Value) -> Self {
        let metadata = json!({ "namespace": "chat", "name": "night", "uid": "u-1" });
        self.see(
            ChangeKind::Modified,
            "PhaseRun",
            &json!({ "metadata": metadata, "spec": { "abort": abort }, "status": status }),
        )
    }

    /// The run goes on, and remembers that it borrows.
    fn remembering(self) -> Self {
        self.run(false, &json!({ "phase": "Running", "borrowed": { "from": 2, "to": 1 } }))
    }

    fn escalation(self, tuning: &Value) -> Self {
        let metadata = json!({ "namespace": "chat", "name": "llama", "uid": "u-2" });
        self.see(ChangeKind::Modified, "Escalation", &json!({ "metadata": metadata, "status": { "tuning": tuning } }))
    }

    fn tuning(self, cycle: &str) -> Self {
        self.escalation(&json!({ "cycle": cycle, "borrowed": { "from": 2, "to": 1 } }))
    }

    fn by(mut self, object: Value, by: &str) -> Self {
        let before = self.targets.last().unwrap().clone();
        let change =
            ObjectChange { kind: ChangeKind::Modified, of: "Deployment", object: &object, before: Some(&before), by };
        self.oracles.see(self.now, Fact::Object(change));
        self.targets.push(object);
        self
    }

    fn lent_to(self, kind: &str, name: &str, uid: &str) -> Self {
        self.by(target(1, Some(&give_back(kind, name, uid))), BY_US)
    }

    fn lent(self) -> Self {
        self.lent_to("PhaseRun", "night", "u-1")
    }

    fn returned(self) -> Self {
        self.by(target(2, None), BY_US)
    }

    fn after(mut self, seconds: i64) -> Self {
        self.now += SignedDuration::from_secs(seconds);
        self.oracles.see(self.now, Fact::Settled);
        self
    }

    fn ended(mut self) -> Self {
        self.oracles.see(self.now, Fact::End);
        self
    }

    /// How often each invariant was asked, and what was violated.
    fn told(self) -> (u64, u64, Vec<&'static str>) {
        let figures = self.oracles.into_figures();
        let violated = figures.violations.iter().map(|violation| violation.invariant).collect();
        (figures.evaluated[REMEMBERED], figures.evaluated[GIVEN_BACK], violated)
    }
}

fn target(replicas: i64, mark: Option<&str>) -> Value {
    let annotations = mark.map_or(json!({}), |mark| json!({ "phaseloop.dev/give-back": mark }));
    let metadata = json!({ "namespace": "chat", "name": "llama", "annotations": annotations });
    json!({ "kind": "Deployment", "metadata": metadata, "spec": { "replicas": replicas } })
}

fn give_back(kind: &str, name: &str, uid: &str) -> String {
    let borrower = json!({ "kind": kind, "name": name, "uid": uid });
    json!({ "borrower": borrower, "from": 2, "to": 1, "since": "1970-01-01T00:00:00Z" }).to_string()
}

#[test]
fn a_replica_that_was_remembered_and_comes_back_in_time_is_sound() {
    let completed = json!({ "phase": "Completed", "borrowed": { "from": 2, "to": 1 } });
    let history = History::new().remembering().lent().after(400).run(false, &completed).after(15).returned();
    assert_eq!(history.after(60).ended().told(), (1, 1, vec![]));
    let early = History::new().remembering().lent().after(100).returned().ended();
    assert_eq!(early.told(), (1, 1, vec![]), "it may come back before its borrower has ended");
    let tuning = History::new().tuning("c-1").lent_to("Escalation", "llama", "u-2").after(900).returned();
    assert_eq!(tuning.escalation(&Value::Null).after(99).ended().told(), (1, 1, vec![]));
}

#[test]
fn a_replica_that_nobody_remembers_is_found_whatever_is_wrong_with_the_memory() {
    let running = |borrowed: Value| History::new().run(false, &json!({ "phase": "Running", "borrowed": borrowed }));
    for (history, why) in [
        (History::new().lent(), "nobody is there"),
        (running(Value::Null).lent(), "the borrower remembers nothing"),
        (running(json!({ "from": 3, "to": 2 })).lent(), "it remembers other figures"),
        (running(json!({ "from": 2, "to": 1, "givenBackAt": "x" })).lent(), "it remembers that it gave back"),
        (History::new().remembering().lent_to("PhaseRun", "other", "u-1"), "another name"),
        (History::new().remembering().lent_to("PhaseRun", "night", "u-9"), "another uid"),
        (History::new().remembering().lent_to("Escalation", "night", "u-1"), "another kind"),
        (History::new().remembering().by(target(1, Some("anna")), BY_US), "it names nobody"),
        (History::new().remembering().by(target(2, Some(&give_back("PhaseRun", "night", "u-1"))), BY_US), "no change"),
        (History::new().remembering().by(target(0, Some(&give_back("PhaseRun", "night", "u-1"))), BY_US), "two went"),
    ] {
        assert_eq!(history.told(), (1, 0, vec![REMEMBERED]), "{why}");
    }
}

#[test]
fn what_others_write_to_a_target_is_theirs() {
    let history = History::new().by(target(1, Some("{}")), "anna").after(60).by(target(2, None), "anna").ended();
    assert_eq!(history.told(), (0, 0, vec![]));
}

#[test]
fn a_replica_that_stays_away_is_found_however_its_borrower_ended() {
    let metadata = json!({ "namespace": "chat", "name": "night", "uid": "u-1" });
    let gone = json!({ "metadata": metadata });
    let mut going = gone.clone();
    going["metadata"]["deletionTimestamp"] = "1970-01-01T00:00:00Z".into();
    let mut tested = gone.clone();
    tested["spec"]["domains"] = json!([{ "name": "serving" }]);
    tested["status"] = json!({ "phase": "Analyzing", "domains": [{ "name": "serving", "endedAt": "x" }] });
    let lent = || History::new().remembering().lent().after(100);
    let running = || json!({ "phase": "Running" });
    let tuned = || History::new().tuning("c-1").lent_to("Escalation", "llama", "u-2").after(100);
    let canary = json!({ "metadata": {}, "spec": { "cycle": "c-1", "abort": true } });
    for (history, why) in [
        (lent().run(false, &json!({ "phase": "Completed" })), "judged"),
        (lent().run(false, &json!({ "phase": "Failed" })), "failed"),
        (lent().see(ChangeKind::Modified, "PhaseRun", &tested), "its results are stored"),
        (lent().run(true, &running()), "aborted"),
        (lent().see(ChangeKind::Modified, "PhaseRun", &going), "being deleted"),
        (lent().see(ChangeKind::Deleted, "PhaseRun", &gone), "gone"),
        (tuned().escalation(&Value::Null), "no tuning run"),
        (tuned().tuning("c-2"), "another tuning run"),
        (tuned().see(ChangeKind::Modified, "TuningCanary", &canary), "a canary is aborted"),
    ] {
        let history = history.after(15);
        assert_eq!(history.oracles.figures().violations_total, 0, "{why}: not yet late");
        assert_eq!(history.after(1).after(60).ended().told(), (1, 1, vec![GIVEN_BACK]), "{why}: said once");
    }
}

#[test]
fn a_replica_that_comes_back_late_is_found_though_nothing_happened_meanwhile() {
    let mut history = History::new().remembering().lent().run(false, &json!({ "phase": "Aborted" }));
    history.now += SignedDuration::from_secs(16);
    assert_eq!(history.returned().told(), (1, 1, vec![GIVEN_BACK]));
}

#[test]
fn a_replica_that_is_away_at_the_end_is_found() {
    assert_eq!(History::new().remembering().lent().after(100).ended().told(), (1, 1, vec![GIVEN_BACK]));
}

#[test]
fn a_target_that_is_gone_has_nothing_to_get_back() {
    let history = History::new().remembering().lent().see(ChangeKind::Deleted, "Deployment", &target(1, Some("{}")));
    assert_eq!(history.run(false, &json!({ "phase": "Completed" })).after(60).ended().told(), (1, 0, vec![]));
}
