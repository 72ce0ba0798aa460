//! Bugs with borrowed replicas, in a story in which a run and a tuning run borrow.

use serde_json::{Value, json};

use crate::{
    bug::Bug,
    hand::{DEPLOYMENT, ESCALATION, Hand, RUN, text},
    plot::Plot,
    saboteur::{Moment, Times},
};

/// Who the target has lent a replica to: kind and name.
fn borrower(hand: &Hand) -> Option<[String; 2]> {
    let target = hand.subject(DEPLOYMENT);
    let note: Value = serde_json::from_str(text(&target, "/metadata/annotations/phaseloop.dev~1give-back")).ok()?;
    Some(["kind", "name"].map(|field| text(&note["borrower"], &format!("/{field}")).to_owned()))
}

/// I37, of a run.
pub(crate) const RUN_FORGETS: Bug = Bug::new(
    "i37_what_is_borrowed_was_remembered",
    "takes a replica of production for a run whose status does not say so",
    Moment::before_patched("deployments"),
    |hand| {
        borrower(hand).is_none().then_some(())?;
        let run = hand.all(RUN).into_iter().rfind(|run| run["status"]["borrowed"]["givenBackAt"].is_null())?;
        run["status"]["borrowed"].is_object().then_some(())?;
        hand.tell(RUN, text(&run, "/metadata/name"), &json!({ "borrowed": null }));
        Some(())
    },
)
.in_plot(Plot::Lending);

/// I37, of a tuning run.
pub(crate) const TUNING_RUN_FORGETS: Bug = Bug::new(
    "i37_what_is_borrowed_was_remembered",
    "takes a replica of production for a tuning run whose Escalation does not say so",
    Moment::before_patched("deployments"),
    |hand| {
        let escalation = hand.all(ESCALATION).remove(0);
        escalation["status"]["tuning"]["borrowed"].is_object().then_some(())?;
        borrower(hand).is_none().then_some(())?;
        hand.tell(ESCALATION, text(&escalation, "/metadata/name"), &json!({ "tuning": { "borrowed": null } }));
        Some(())
    },
)
.in_plot(Plot::Lending);

/// I38, of a run.
pub(crate) const RUN_KEEPS_IT: Bug = Bug::new(
    "i38_what_was_borrowed_is_given_back",
    "does not give back what a run borrowed when the run has ended",
    Moment::patched("deployments"),
    |hand| (borrower(hand)?[0] == "PhaseRun").then_some(()),
)
.in_plot(Plot::Lending)
.times(Times::OnceAndNothingIsGivenBack);

/// I38, of a tuning run.
pub(crate) const TUNING_RUN_KEEPS_IT: Bug = Bug::new(
    "i38_what_was_borrowed_is_given_back",
    "does not give back what a tuning run borrowed when its search is over",
    Moment::patched("deployments"),
    |hand| (borrower(hand)?[0] == "Escalation").then_some(()),
)
.in_plot(Plot::Lending)
.times(Times::OnceAndNothingIsGivenBack);
