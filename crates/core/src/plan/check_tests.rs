//! A sound and a broken plan for each rule, and what each intent says of itself.

use jiff::{SignedDuration, Timestamp, civil::date};

use super::*;
use crate::{
    borrow::GiveBackNote,
    plan::{
        OwnKind, Wake,
        pod::{ABORT_GRACE, NewTestPod, TestPodDeletion, TestPodEnd, TestPodPurpose},
        record::{
            AuditExport, BudgetShare, CanaryFold, CanaryRole, NewCanary, NewPhaseRun, NewPromotion, Notice,
            NoticeSeverity, Selection,
        },
        target::{
            PullRequestClosing, PullRequestOpening, Remembered, ReplicaBorrow, ReplicaReturn, TargetFence,
            TargetVersion, TargetWrite,
        },
    },
    promotion::{ApprovalMode, Delivery, PromotionTerms},
    value::{Decimal, ParameterSet, SymptomKind, TargetReference, Uid},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn object(kind: OwnKind) -> OwnObject {
    OwnObject::new(kind, "x", Uid::new("u"))
}

fn reference() -> TargetReference {
    TargetReference { api_version: "apps/v1".into(), kind: "Deployment".into(), name: "llama".into() }
}

fn version() -> TargetVersion {
    TargetVersion { reference: reference(), uid: Uid::new("t"), resource_version: "1".into() }
}

fn write(remembered: Remembered) -> Box<TargetWrite> {
    let (annotation_from, annotation_to) = (None, Some(Uid::new("p")));
    Box::new(TargetWrite { target: version(), changes: vec![], annotation_from, annotation_to, remembered })
}

fn note() -> GiveBackNote {
    GiveBackNote { borrower: object(OwnKind::PhaseRun), from: 3, to: 2, since: NOW }
}

fn borrow(remembered: Remembered) -> Intent {
    Intent::ScaleTargetForBorrow(Box::new(ReplicaBorrow { target: version(), note: note(), remembered }))
}

fn give_back() -> Intent {
    Intent::GiveBackReplica(Box::new(ReplicaReturn { target: version(), note: note(), replicas: 2 }))
}

fn opening() -> PullRequestOpening {
    PullRequestOpening { promotion: object(OwnKind::Promotion), branch: "b".into(), changes: vec![] }
}

fn notice(note: &str) -> Intent {
    let object = object(OwnKind::Promotion);
    let (severity, identity) = (NoticeSeverity::Normal, note.into());
    Intent::RecordEvent(Notice { object, severity, reason: "Patching", note: note.into(), identity })
}

fn export(kind: OwnKind) -> Intent {
    Intent::ExportAudit(AuditExport { object: object(kind), through_sequence: 3 })
}

fn test_pod() -> Intent {
    Intent::CreateTestPod(Box::new(NewTestPod {
        network_policy: "llama-network".to_owned(),
        name: "pod".into(),
        owner: object(OwnKind::TuningCanary),
        purpose: TestPodPurpose::Canary,
        parameters: ParameterSet::new(),
        not_after: NOW,
        spec_digest: String::new(),
    }))
}

fn canary() -> Intent {
    Intent::CreateCanary(Box::new(NewCanary {
        name: "canary".into(),
        escalation: object(OwnKind::Escalation),
        cycle: "c".into(),
        symptom: SymptomKind::VllmOom,
        night: date(2026, 3, 4),
        attempt: 0,
        role: CanaryRole::Incumbent,
        parameters: ParameterSet::new(),
        target: reference(),
        target_uid: Uid::new("t"),
        template_hash: "h".into(),
        consumes: vec![],
        not_after: NOW,
        reserved: BudgetShare::default(),
    }))
}

fn fold() -> Intent {
    Intent::FoldCanaryIntoLedger(Box::new(CanaryFold {
        canary: object(OwnKind::TuningCanary),
        escalation: object(OwnKind::Escalation),
        escalation_resource_version: "1".into(),
        night: date(2026, 3, 4),
        attempt: 0,
        used: BudgetShare::default(),
        consumed: vec![],
    }))
}

fn promotion() -> Intent {
    let terms = PromotionTerms {
        target: reference(),
        target_uid: Uid::new("t"),
        template_hash: "h".into(),
        parameters: ParameterSet::new(),
        owned_fields: vec![],
        config_map: None,
        annotation_before: None,
        symptom: SymptomKind::VllmOom,
        domains: BTreeMap::new(),
        delivery: Delivery::Patch,
        approval: ApprovalMode::Manual,
        allow_managed: false,
        allow_downtime: false,
        rollout_timeout: SignedDuration::from_mins(30),
        validate_by: NOW,
    };
    Intent::CreatePromotion(Box::new(NewPromotion {
        name: "promotion".into(),
        escalation: object(OwnKind::Escalation),
        canary: object(OwnKind::TuningCanary),
        cycle: "c".into(),
        fitness: Decimal::ZERO,
        selection: Selection {
            reason: "r".into(),
            message: "m".into(),
            search_ended: None,
            candidates_tried: 0,
            untried: vec![],
        },
        terms,
    }))
}

/// One of each: `(intent, its name, writes a foreign object, needs the leader)`.
fn every_intent() -> Vec<(Intent, &'static str, bool, bool)> {
    let run = NewPhaseRun { name: "r".into(), schedule: object(OwnKind::PhaseSchedule), scheduled_at: NOW };
    let deletion = TestPodDeletion { name: "pod".into(), uid: Uid::new("u"), cause: TestPodEnd::Aborted };
    let fence = TargetFence { target: version(), promotion: Uid::new("p") };
    let closing = PullRequestClosing { promotion: object(OwnKind::Promotion), branch: "b".into(), note: "n".into() };
    vec![
        (Intent::CreatePhaseRun(run), "CreatePhaseRun", false, true),
        (test_pod(), "CreateTestPod", false, true),
        (Intent::DeleteTestPod(deletion), "DeleteTestPod", false, false),
        (canary(), "CreateCanary", false, true),
        (fold(), "FoldCanaryIntoLedger", false, true),
        (promotion(), "CreatePromotion", false, true),
        (Intent::PatchTarget(write(Remembered::Earlier)), "PatchTarget", true, true),
        (Intent::RestoreTarget(write(Remembered::Earlier)), "RestoreTarget", true, true),
        (Intent::FenceTarget(Box::new(fence)), "FenceTarget", true, true),
        (borrow(Remembered::Earlier), "ScaleTargetForBorrow", true, true),
        (give_back(), "GiveBackReplica", true, false),
        (Intent::OpenPullRequest(Box::new(opening())), "OpenPullRequest", true, true),
        (Intent::OpenRevertPullRequest(Box::new(opening())), "OpenRevertPullRequest", true, true),
        (Intent::ClosePullRequest(closing), "ClosePullRequest", true, true),
        (Intent::AddFinalizer(object(OwnKind::Promotion)), "AddFinalizer", false, true),
        (Intent::RemoveFinalizer(object(OwnKind::Promotion)), "RemoveFinalizer", false, true),
        (export(OwnKind::PhaseRun), "ExportAudit", false, true),
        (Intent::DeleteFinished(object(OwnKind::PhaseRun)), "DeleteFinished", false, true),
        (notice("n"), "RecordEvent", false, true),
    ]
}

fn violations(remember: Option<()>, intents: Vec<Intent>) -> Vec<PlanViolation> {
    check_plan(&Plan { remember, intents, report: (), wake: Wake::OnChange })
}

#[test]
fn each_intent_says_what_it_is_and_whom_it_touches() {
    for (intent, name, foreign, leader) in every_intent() {
        assert_eq!(intent.name(), name);
        assert_eq!(intent.writes_foreign_object(), foreign, "{name}");
        assert_eq!(intent.needs_leader(), leader, "{name}");
        assert!(!intent.rests_on_remember(), "{name}");
    }
}

#[test]
fn a_plan_of_one_intent_is_sound_unless_it_prunes_unexported() {
    assert_eq!(violations(None, vec![]), []);
    for (intent, name, ..) in every_intent() {
        let expected = usize::from(name == "DeleteFinished");
        assert_eq!(violations(None, vec![intent]).len(), expected, "{name}");
    }
}

#[test]
fn two_foreign_writes_in_one_plan_are_one_too_many() {
    let patch = || Intent::PatchTarget(write(Remembered::Earlier));
    let found = violations(None, vec![patch(), give_back()]);
    assert_eq!(found, [PlanViolation::SeveralForeignWrites(2)]);
    assert_eq!(violations(None, vec![patch(), test_pod()]), []);
}

#[test]
fn what_rests_on_a_fact_needs_the_plan_to_remember_it() {
    let resting = [
        (Intent::PatchTarget(write(Remembered::InThisPlan)), "PatchTarget"),
        (Intent::RestoreTarget(write(Remembered::InThisPlan)), "RestoreTarget"),
        (borrow(Remembered::InThisPlan), "ScaleTargetForBorrow"),
    ];
    for (intent, name) in resting {
        assert!(intent.rests_on_remember());
        assert_eq!(violations(None, vec![intent.clone()]), [PlanViolation::RememberMissing(name)]);
        assert_eq!(violations(Some(()), vec![intent]), []);
    }
}

#[test]
fn nothing_is_asked_for_twice() {
    assert_eq!(violations(None, vec![test_pod(), test_pod()]), [PlanViolation::DoubledIntent("CreateTestPod")]);
    assert_eq!(violations(None, vec![test_pod(), canary(), test_pod()]).len(), 1);
    assert_eq!(violations(None, vec![notice("one"), notice("other")]), []);
}

#[test]
fn a_finalizer_goes_last() {
    let remove = || Intent::RemoveFinalizer(object(OwnKind::TuningCanary));
    let early = |owed| PlanViolation::FinalizerRemovedEarly { object: object(OwnKind::TuningCanary), owed };
    assert_eq!(violations(None, vec![fold(), remove()]), []);
    assert_eq!(violations(None, vec![remove(), fold()]), [early("FoldCanaryIntoLedger")]);
    let other = Intent::RemoveFinalizer(object(OwnKind::Promotion));
    assert_eq!(violations(None, vec![fold(), remove(), other, notice("gone")]), []);
    assert_eq!(violations(None, vec![remove(), notice("gone"), fold()]).first(), Some(&early("FoldCanaryIntoLedger")));
}

#[test]
fn pruning_comes_after_the_export_of_the_same_object() {
    let prune = || Intent::DeleteFinished(object(OwnKind::PhaseRun));
    let unexported = [PlanViolation::PrunedBeforeExport(object(OwnKind::PhaseRun))];
    assert_eq!(violations(None, vec![export(OwnKind::PhaseRun), prune()]), []);
    assert_eq!(violations(None, vec![prune(), export(OwnKind::PhaseRun)]), unexported);
    assert_eq!(violations(None, vec![export(OwnKind::Promotion), prune()]), unexported);
}

#[test]
fn events_come_last() {
    let early = [PlanViolation::ToldBeforeDone("CreateTestPod")];
    assert_eq!(violations(None, vec![notice("n"), test_pod()]), early);
    assert_eq!(violations(None, vec![test_pod(), notice("n")]), []);
}

#[test]
fn violations_name_what_they_mean() {
    let told = PlanViolation::RememberMissing("PatchTarget").to_string();
    assert!(told.starts_with("PatchTarget rests on a fact"), "{told}");
}

#[test]
fn a_hard_abort_leaves_the_kubelet_one_second_to_report() {
    assert_eq!(ABORT_GRACE, SignedDuration::from_secs(1));
}
