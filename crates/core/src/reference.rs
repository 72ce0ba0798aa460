//! The reference of all reasons, as the Markdown that `docs/reference/reasons.md` holds.

use crate::{
    analysis::{baseline::LeftOutReason, probe::ProbeEnding, reason::AnalysisReason, report::RejectionReason},
    borrow::BorrowReason,
    cycle::TuningReason,
    plan::pod::TestPodEnd,
    policy::{AdministrationReason, FindingReason, FlagReason, GateReason, StartReason},
    prelude::*,
    promotion::{PromotionConditionReason, PromotionReason},
    schedule::{RunReason, ScheduleReason},
    tuning::{
        CanaryReason, NothingToTry, RefusalReason, binding::BindingReason, interaction::Conflict, outcome::TrialReason,
        predict::PredictionRefusal, search::SearchEndReason, winner::WinnerReason,
    },
    value::reason::ReasonEntry,
};

/// A group of reasons that are read at one place.
pub struct ReasonGroup {
    /// What the group tells, as a heading.
    pub title: &'static str,
    /// The enum, as it is called in the code.
    pub enum_name: &'static str,
    /// The reasons.
    pub entries: &'static [ReasonEntry],
}

/// Every group, in the order of the loop.
pub const REASON_GROUPS: &[ReasonGroup] = &[
    group("Why a schedule starts a run, or does not", "ScheduleReason", ScheduleReason::ALL),
    group("Where a run stands, and why a domain has no measurement", "RunReason", RunReason::ALL),
    group("Why a test pod is deleted", "TestPodEnd", TestPodEnd::ALL),
    group("How a probe ended", "ProbeEnding", ProbeEnding::ALL),
    group("Why a row of a PHASE report does not count", "RejectionReason", RejectionReason::ALL),
    group("Why a run does not serve as baseline", "LeftOutReason", LeftOutReason::ALL),
    group("What a verdict rests on", "AnalysisReason", AnalysisReason::ALL),
    group("Where the administrator's policy stands", "AdministrationReason", AdministrationReason::ALL),
    group("What is wrong with a policy", "FindingReason", FindingReason::ALL),
    group("Where a flag stands", "FlagReason", FlagReason::ALL),
    group("Why a gate is open or closed", "GateReason", GateReason::ALL),
    group("Why nothing is tuned", "NothingToTry", NothingToTry::ALL),
    group("Why a candidate is not tried", "RefusalReason", RefusalReason::ALL),
    group("Which flags contradict each other", "Conflict", Conflict::ALL),
    group("Why no tuning run begins although every gate is open", "PredictionRefusal", PredictionRefusal::ALL),
    group("Why no replica is borrowed", "BorrowReason", BorrowReason::ALL),
    group("Why a canary is not made", "StartReason", StartReason::ALL),
    group("Where the tuning of a target stands", "TuningReason", TuningReason::ALL),
    group("Where a canary stands", "CanaryReason", CanaryReason::ALL),
    group("Why a value can't be read or set in a target", "BindingReason", BindingReason::ALL),
    group("How a canary was judged", "TrialReason", TrialReason::ALL),
    group("Why a search ended", "SearchEndReason", SearchEndReason::ALL),
    group("Why a candidate won, or none did", "WinnerReason", WinnerReason::ALL),
    group("Where a promotion stands", "PromotionReason", PromotionReason::ALL),
    group("Why a promotion's conditions stand as they do", "PromotionConditionReason", PromotionConditionReason::ALL),
];

const fn group(title: &'static str, enum_name: &'static str, entries: &'static [ReasonEntry]) -> ReasonGroup {
    ReasonGroup { title, enum_name, entries }
}

/// The page of all reasons. A test of the project compares it with the committed file.
pub fn reasons_markdown() -> String {
    let mut page = "# Reasons\n\nGenerated from the code: `UPDATE=1 cargo test --test api` writes it anew.\n\n\
                    Every verdict, gate, flag, candidate and promotion names its reason by one of these words, with a \
                    sentence that carries the figures.\n"
        .to_owned();
    page.extend(REASON_GROUPS.iter().map(section));
    page
}

fn section(group: &ReasonGroup) -> String {
    let rows: String =
        group.entries.iter().map(|ReasonEntry { name, meaning }| format!("| `{name}` | {meaning} |\n")).collect();
    format!("\n## {}\n\n| reason | meaning |\n| --- | --- |\n{rows}", group.title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_every_reason() {
        let page = reasons_markdown();
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, REASON_GROUPS.iter().map(|group| group.entries.len()).sum::<usize>());
        assert!(page.contains("\n| `BelowThreshold` | The symptom was not seen in enough runs within the window. |\n"));
        assert!(page.contains("\n## Where a flag stands\n"));
    }
}
