//! Borrowing: a replica that was taken from production for the time of a test.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    fact::{At, ChangeKind, Fact, ObjectChange},
    registry::Invariant,
    value::{name, text, uid},
};
use crate::simulation::field::At as _;

/// In which everything must be given back.
const RESTORE: SignedDuration = SignedDuration::from_secs(15);
const GIVE_BACK: &str = "/metadata/annotations/phaseloop.dev~1give-back";
const REPLICAS: &str = "/spec/replicas";
/// What the names of the operator's users begin with.
const OPERATOR: &str = "system:serviceaccount:phaseloop-system:";
/// Phases in which a run is over.
const RUN_IS_OVER: [&str; 3] = ["Completed", "Failed", "Aborted"];

/// What was borrowed, and by whom, as a target says it and as a borrower says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loan {
    /// Kind, namespace, name and uid of the borrower.
    borrower: [String; 4],
    from: i64,
    to: i64,
}

impl Loan {
    /// What the annotation of a target says; `None` where it has none, or one that says something else.
    fn of_target(target: &Value) -> Option<Self> {
        let told: Value = serde_json::from_str(text(target, GIVE_BACK)?).ok()?;
        let borrower = |field: &str| text(&told, &format!("/borrower/{field}")).map(str::to_owned);
        let namespace = text(target, "/metadata/namespace").unwrap_or_default().to_owned();
        let borrower = [borrower("kind")?, namespace, borrower("name")?, borrower("uid")?];
        Some(Self { borrower, from: number(&told, "/from")?, to: number(&told, "/to")? })
    }

    /// What a borrower's status says is borrowed and not given back.
    fn remembered(change: &ObjectChange<'_>, place: &str) -> Option<Self> {
        let loan = change.object.at(place).filter(|loan| loan.is_object())?;
        if change.kind == ChangeKind::Deleted || text(loan, "/givenBackAt").is_some() {
            return None;
        }
        let namespace = text(change.object, "/metadata/namespace").unwrap_or_default();
        let borrower = [change.of, namespace, name(change.object), uid(change.object)].map(str::to_owned);
        Some(Self { borrower, from: number(loan, "/from")?, to: number(loan, "/to")? })
    }
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.at(pointer)?.as_i64()
}

/// The change, where it is one of a target.
fn change_of_target<'a>(at: &At<'a>) -> Option<ObjectChange<'a>> {
    at.change_of("Deployment").or_else(|| at.change_of("StatefulSet"))
}

fn key(object: &Value) -> String {
    let namespace = text(object, "/metadata/namespace").unwrap_or_default();
    format!("{} {namespace}/{}", text(object, "/kind").unwrap_or_default(), name(object))
}

/// Whether the operator wrote an annotation to a target that it did not bear before.
fn lends(change: &ObjectChange<'_>) -> bool {
    let told = text(change.object, GIVE_BACK);
    change.kind != ChangeKind::Deleted
        && told.is_some()
        && told != change.before.and_then(|before| text(before, GIVE_BACK))
        && change.by.starts_with(OPERATOR)
}

/// I37: before a target's replicas go down for a borrower, the borrower's status says so: which, and from how many to how many.
/// The annotation that names the borrower comes with that change.
#[derive(Debug, Clone, Default)]
pub(super) struct BorrowingIsRemembered {
    /// What each borrower remembers, by its uid.
    remembered: BTreeMap<String, Loan>,
}

impl Invariant for BorrowingIsRemembered {
    fn name(&self) -> &'static str {
        "i37_what_is_borrowed_was_remembered"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        for (kind, place) in [("PhaseRun", "/status/borrowed"), ("Escalation", "/status/tuning/borrowed")] {
            if let Some(change) = at.change_of(kind) {
                match Loan::remembered(&change, place) {
                    Some(loan) => drop(self.remembered.insert(uid(change.object).to_owned(), loan)),
                    None => drop(self.remembered.remove(uid(change.object))),
                }
                return None;
            }
        }
        let change = change_of_target(at).filter(lends)?;
        let target = key(change.object);
        let Some(loan) = Loan::of_target(change.object) else {
            return Some(Err(format!("{target} lends a replica, and does not say to whom")));
        };
        let [kind, _, name, uid] = &loan.borrower;
        if self.remembered.get(uid) != Some(&loan) {
            return Some(Err(format!("{target} lends a replica to {kind} {name}, which does not remember it")));
        }
        let (before, after) =
            (change.before.and_then(|before| number(before, REPLICAS)), number(change.object, REPLICAS));
        Some(if (before, after) == (Some(loan.from), Some(loan.to)) && loan.to < loan.from {
            Ok(())
        } else {
            Err(format!("{target} went from {before:?} to {after:?}, and lends from {} to {}", loan.from, loan.to))
        })
    }
}

/// A target that is not given back what it lent.
#[derive(Debug, Clone)]
struct OpenLoan {
    borrower_uid: String,
    /// The tuning run that it was lent for.
    cycle: Option<String>,
    /// When its borrower ended, was aborted or was gone, as far as that has happened.
    ended_at: Option<Timestamp>,
    /// Whether that it is late was said.
    is_told: bool,
}

/// I38: no target bears the annotation for longer than 15 s after its borrower has ended, was aborted or is gone, and none does
/// at the end. A run has ended when the results of all its domains are stored, a tuning run when its Escalation has none or another
/// one.
#[derive(Debug, Clone, Default)]
pub(super) struct BorrowedIsGivenBack {
    /// Borrowers that have not ended, by uid, with the tuning run where they are Escalations.
    going: BTreeMap<String, Option<String>>,
    open: BTreeMap<String, OpenLoan>,
}

impl BorrowedIsGivenBack {
    /// The borrowers of these loans have ended.
    fn end(&mut self, now: Timestamp, is_over: impl Fn(&OpenLoan) -> bool) {
        for loan in self.open.values_mut().filter(|loan| is_over(loan)) {
            loan.ended_at.get_or_insert(now);
        }
    }

    fn follow_borrower(&mut self, now: Timestamp, change: &ObjectChange<'_>) {
        let (borrower, cycle) = (uid(change.object), text(change.object, "/status/tuning/cycle"));
        let phase = text(change.object, "/status/phase").unwrap_or_default();
        let aborted = change.object.at("/spec/abort").and_then(Value::as_bool) == Some(true);
        let gone = change.kind == ChangeKind::Deleted || text(change.object, "/metadata/deletionTimestamp").is_some();
        let is_over = match change.of {
            // An operator that can't give back may not come to saying that the run is over.
            "PhaseRun" => aborted || RUN_IS_OVER.contains(&phase) || is_tested(change.object),
            _ => cycle.is_none(),
        };
        if gone || is_over {
            self.going.remove(borrower);
        } else {
            self.going.insert(borrower.to_owned(), cycle.map(str::to_owned));
        }
        let there = self.going.get(borrower).cloned();
        self.end(now, |loan| loan.borrower_uid == borrower && there.as_ref() != Some(&loan.cycle));
    }

    fn follow_target(&mut self, now: Timestamp, change: &ObjectChange<'_>) -> Option<Result<(), String>> {
        let target = key(change.object);
        if change.kind == ChangeKind::Deleted {
            self.open.remove(&target);
            return None;
        }
        if lends(change) {
            let borrower_uid = Loan::of_target(change.object).map(|Loan { borrower: [.., uid], .. }| uid);
            let borrower_uid = borrower_uid.unwrap_or_default();
            let cycle = self.going.get(&borrower_uid).cloned();
            let ended_at = cycle.is_none().then_some(now);
            let loan = OpenLoan { borrower_uid, cycle: cycle.flatten(), ended_at, is_told: false };
            self.open.insert(target, loan);
            return None;
        }
        if text(change.object, GIVE_BACK).is_some() {
            return None;
        }
        let loan = self.open.remove(&target).filter(|loan| !loan.is_told)?;
        Some(if is_late(&loan, now) { Err(late(&target, &loan, now)) } else { Ok(()) })
    }

    /// Says once of each loan that fits that it was not given back.
    fn tell(&mut self, now: Timestamp, fits: impl Fn(&OpenLoan) -> bool) -> Option<Result<(), String>> {
        let mut told = Vec::new();
        for (target, loan) in self.open.iter_mut().filter(|(_, loan)| !loan.is_told && fits(loan)) {
            loan.is_told = true;
            told.push(late(target, loan, now));
        }
        (!told.is_empty()).then(|| Err(told.join("; ")))
    }
}

/// Whether the results of all domains of a run are stored.
fn is_tested(run: &Value) -> bool {
    let list = |pointer: &str| run.at(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (asked, told) = (list("/spec/domains"), list("/status/domains"));
    let has_ended = |domain: &Value| {
        let mut rows = told.iter().filter(|row| text(row, "/name") == text(domain, "/name"));
        rows.any(|row| text(row, "/endedAt").is_some())
    };
    !asked.is_empty() && asked.iter().all(has_ended)
}

fn is_late(loan: &OpenLoan, now: Timestamp) -> bool {
    loan.ended_at.is_some_and(|ended| now.duration_since(ended) > RESTORE)
}

fn late(target: &str, loan: &OpenLoan, now: Timestamp) -> String {
    let since = loan.ended_at.map_or_else(
        || "whose borrower has not ended".to_owned(),
        |ended| format!("{} s after its borrower's end", now.duration_since(ended).as_secs()),
    );
    format!("{target} has a replica to get back, {since}")
}

impl Invariant for BorrowedIsGivenBack {
    fn name(&self) -> &'static str {
        "i38_what_was_borrowed_is_given_back"
    }

    fn look(&mut self, at: &At<'_>) -> Option<Result<(), String>> {
        match at.fact {
            Fact::Settled => return self.tell(at.now, |loan| is_late(loan, at.now)),
            Fact::End => return self.tell(at.now, |_| true),
            Fact::Container(_) => return None,
            Fact::Object(_) => {}
        }
        if let Some(change) = at.change_of("PhaseRun").or_else(|| at.change_of("Escalation")) {
            self.follow_borrower(at.now, &change);
            return None;
        }
        if let Some(change) = at.change_of("TuningCanary") {
            // A person who aborts a canary ends the tuning run that it is of.
            let aborted = change.object.at("/spec/abort").and_then(Value::as_bool) == Some(true);
            let cycle = text(change.object, "/spec/cycle").filter(|_| aborted)?;
            self.end(at.now, |loan| loan.cycle.as_deref() == Some(cycle));
            return None;
        }
        self.follow_target(at.now, &change_of_target(at)?)
    }
}

#[cfg(test)]
#[path = "borrowing_tests.rs"]
mod tests;
