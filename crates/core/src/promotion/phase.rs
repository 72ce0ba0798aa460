//! The phases of a promotion, and every edge between them, as data.

use core::fmt;

/// Where a promotion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum PromotionPhase {
    /// Nothing is written yet; it waits for a gate that its reason names.
    Staged,
    /// It waits for a person: for `spec.decision`, or for the merge of its pull request.
    AwaitingReview,
    /// The write to the target is decided, on its way, or rolling out.
    Applying,
    /// Rolled out; it waits for the run that validates it.
    Applied,
    /// A later run found the target improved: the value stays.
    Validated,
    /// The pre-image is being put back.
    RollingBack,
    /// The pre-image is back, to the letter.
    RolledBack,
    /// A person said no before anything was written.
    Rejected,
    /// What it was made for is no longer there: the target or its template changed, or another promotion holds it.
    Superseded,
    /// Its time passed before anything was written.
    Expired,
    /// Somebody else changed what it had written. Their value stays, and a person decides.
    Conflict,
}

impl PromotionPhase {
    /// Every phase, in the order of a life.
    pub const ALL: [Self; 11] = [
        Self::Staged,
        Self::AwaitingReview,
        Self::Applying,
        Self::Applied,
        Self::Validated,
        Self::RollingBack,
        Self::RolledBack,
        Self::Rejected,
        Self::Superseded,
        Self::Expired,
        Self::Conflict,
    ];

    /// The name in objects and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Staged => "Staged",
            Self::AwaitingReview => "AwaitingReview",
            Self::Applying => "Applying",
            Self::Applied => "Applied",
            Self::Validated => "Validated",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Rejected => "Rejected",
            Self::Superseded => "Superseded",
            Self::Expired => "Expired",
            Self::Conflict => "Conflict",
        }
    }

    /// Whether it stays for good: nothing is written for the promotion any more, whatever is observed.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Validated | Self::RolledBack | Self::Rejected | Self::Superseded | Self::Expired | Self::Conflict
        )
    }

    /// Whether the promotion holds its target: its value is there, or on its way in or out.
    pub const fn holds_target(self) -> bool {
        matches!(self, Self::Applying | Self::Applied | Self::RollingBack)
    }

    /// Whether the candidate is denied in this environment from now on: it was tried and taken back, or refused.
    pub const fn denies_candidate(self) -> bool {
        matches!(self, Self::RolledBack | Self::Rejected)
    }

    /// Whether the edge is drawn. Staying is no edge and always allowed.
    pub fn may_become(self, next: Self) -> bool {
        self == next || EDGES.iter().any(|edge| edge.from == self && edge.to == next)
    }
}

impl fmt::Display for PromotionPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One edge of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Where it begins.
    pub from: PromotionPhase,
    /// Where it leads.
    pub to: PromotionPhase,
    /// What takes it.
    pub when: &'static str,
}

const fn edge(from: PromotionPhase, to: PromotionPhase, when: &'static str) -> Edge {
    Edge { from, to, when }
}

use PromotionPhase::{
    Applied, Applying, AwaitingReview, Conflict, Expired, Rejected, RolledBack, RollingBack, Staged, Superseded,
    Validated,
};

/// Every edge there is. A transition that is not here is a defect.
pub const EDGES: &[Edge] = &[
    edge(Staged, AwaitingReview, "a person has to decide, or the pull request is open"),
    edge(Staged, Applying, "every gate is open: the attempt is remembered, then the patch is sent"),
    edge(Staged, Rejected, "decision Rejected"),
    edge(Staged, Superseded, "the target, its template or its owned fields changed, or another promotion holds it"),
    edge(Staged, Expired, "too late to be validated in time, or deleted"),
    edge(Staged, Conflict, "our annotation is there with other values, although no attempt is on record"),
    edge(AwaitingReview, Staged, "decided, or the pull request is to be opened; another gate is still closed"),
    edge(AwaitingReview, Applying, "approved with every gate open, or the pull request was merged"),
    edge(AwaitingReview, Rejected, "decision Rejected, or the pull request was closed by hand"),
    edge(AwaitingReview, Superseded, "the target, its template or its owned fields changed"),
    edge(AwaitingReview, Expired, "too late to be validated in time, or deleted"),
    edge(AwaitingReview, Conflict, "merged, and then changed by somebody else before the first look"),
    edge(Applying, Staged, "the patch did not land, a gate closed meanwhile, and the attempt was withdrawn"),
    edge(
        Applying,
        AwaitingReview,
        "the patch did not land, the approval was taken back, and the attempt was withdrawn",
    ),
    edge(Applying, Rejected, "the patch did not land, and decision Rejected"),
    edge(Applying, Superseded, "the target went, or it changed before the patch landed"),
    edge(Applying, Expired, "the patch did not land in time, or deleted before it landed"),
    edge(Applying, Applied, "the rollout has finished"),
    edge(Applying, RollingBack, "the rollout failed or took too long, or deleted"),
    edge(Applying, RolledBack, "a merged change was reverted in Git by hand"),
    edge(Applying, Conflict, "somebody else changed an owned field after it was applied"),
    edge(Applied, Validated, "the first deciding run found nothing worse"),
    edge(Applied, RollingBack, "not improved, no deciding run in time, or deleted"),
    edge(Applied, RolledBack, "a merged change was reverted in Git by hand"),
    edge(Applied, Superseded, "the target is gone, and our value with it"),
    edge(Applied, Conflict, "somebody else changed an owned field"),
    edge(RollingBack, RolledBack, "the pre-image is back"),
    edge(RollingBack, Superseded, "the target is gone, and our value with it"),
    edge(RollingBack, Conflict, "somebody else changed an owned field, or closed the revert in Git"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_phases_have_no_way_out_and_all_others_do() {
        for phase in PromotionPhase::ALL {
            let leaves = EDGES.iter().any(|edge| edge.from == phase);
            assert_eq!(leaves, !phase.is_terminal(), "{phase}");
        }
    }

    #[test]
    fn exactly_six_phases_are_terminal() {
        let terminal: Vec<&str> =
            PromotionPhase::ALL.into_iter().filter(|phase| phase.is_terminal()).map(PromotionPhase::name).collect();
        assert_eq!(terminal, ["Validated", "RolledBack", "Rejected", "Superseded", "Expired", "Conflict"]);
    }

    #[test]
    fn every_phase_can_be_reached_and_no_edge_stands_twice() {
        for phase in PromotionPhase::ALL {
            let reached = EDGES.iter().any(|edge| edge.to == phase);
            assert!(reached, "{phase}");
        }
        for (position, edge) in EDGES.iter().enumerate() {
            assert!(!EDGES[..position].iter().any(|other| (other.from, other.to) == (edge.from, edge.to)), "{edge:?}");
            assert_ne!(edge.from, edge.to);
        }
    }

    #[test]
    fn only_drawn_edges_may_be_taken_and_staying_is_allowed() {
        assert!(Staged.may_become(Staged) && Staged.may_become(Applying));
        assert!(!Staged.may_become(Validated) && !Validated.may_become(RollingBack) && !Applied.may_become(Applying));
    }

    #[test]
    fn a_value_that_was_taken_back_or_refused_is_denied() {
        let denied: Vec<_> = PromotionPhase::ALL.into_iter().filter(|phase| phase.denies_candidate()).collect();
        assert_eq!(denied, [RolledBack, Rejected]);
        let holding: Vec<_> = PromotionPhase::ALL.into_iter().filter(|phase| phase.holds_target()).collect();
        assert_eq!(holding, [Applying, Applied, RollingBack]);
    }

    #[test]
    fn the_documented_table_of_edges_is_that_of_the_code() {
        let documented: Vec<&str> = include_str!("../../../../docs/how-a-promotion-lives.md")
            .lines()
            .skip_while(|line| !line.starts_with("| from |"))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .collect();
        let drawn: Vec<String> =
            EDGES.iter().map(|edge| format!("| {} | {} | {} |", edge.from, edge.to, edge.when)).collect();
        assert_eq!(documented, drawn);
    }

    #[test]
    fn phases_serialise_as_they_print() {
        for phase in PromotionPhase::ALL {
            assert_eq!(serde_json::to_string(&phase).unwrap(), format!("\"{phase}\""));
            assert_eq!(format!("{phase:?}"), phase.name());
        }
    }
}
