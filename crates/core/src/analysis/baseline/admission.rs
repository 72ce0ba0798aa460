//! Which earlier runs may serve at all.

use super::BaselineKey;
use crate::{
    analysis::{history::JudgedRun, judgement::Admission, measurement::RunMeasurement},
    prelude::*,
    reasons,
};

reasons! {
    /// Why an earlier run does not serve as baseline.
    pub enum LeftOutReason {
        /// It was degraded, invalid, without a verdict, or outside its absolute limits.
        NotAdmitted,
        /// The promotion that was in force while it ran is not validated.
        UnvalidatedPromotion,
        /// It ran another workload, model or kind of GPU, or did not cover the domain.
        NotComparable,
        /// Held against the other runs of the baseline, it falls out.
        FallsOut,
    }
}

/// Whether an earlier run may serve as baseline of `key` for `run`, and if not, why. The last run of a target that is
/// not older than `run` is never asked.
///
/// # Errors
/// The reason with its figures.
pub fn check_admission(key: &BaselineKey, earlier: &JudgedRun) -> Result<(), (LeftOutReason, String)> {
    if let Admission::NotAdmitted(reason) = earlier.admission {
        return Err((LeftOutReason::NotAdmitted, format!("{}: {reason}", earlier.verdict)));
    }
    if earlier.under_unvalidated_promotion {
        let message = "a promotion was in force that is not validated".to_owned();
        return Err((LeftOutReason::UnvalidatedPromotion, message));
    }
    let Some(domain) = earlier.measurement.domains.iter().find(|domain| domain.name == key.domain) else {
        return Err((LeftOutReason::NotComparable, format!("it has no domain {}", key.domain)));
    };
    let environment = &earlier.measurement.environment;
    let theirs = BaselineKey::new(&earlier.target, &domain.name, &domain.workload_hash, environment);
    match key.first_difference(&theirs) {
        Some((part, ours, theirs)) => Err((LeftOutReason::NotComparable, format!("{part} {theirs}, this run {ours}"))),
        None => Ok(()),
    }
}

/// Whether a run of the history came before `run`: another run, started before it and ended when it began.
pub fn is_earlier(earlier: &JudgedRun, run: &RunMeasurement) -> bool {
    earlier.measurement.uid != run.uid
        && earlier.measurement.started_at < run.started_at
        && earlier.measurement.completed_at <= run.started_at
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::analysis::{
        fixture::{admitted, domain, run_of},
        reason::AnalysisReason,
    };

    fn key(run: &JudgedRun) -> BaselineKey {
        BaselineKey::new("t", "chat", "w", &run.measurement.environment)
    }

    #[test]
    fn healthy_and_seed_runs_may_serve() {
        let mut earlier = admitted("h", -24, domain(100.0, 30.0));
        assert_eq!(check_admission(&key(&earlier), &earlier), Ok(()));
        earlier.admission = Admission::Seed;
        assert_eq!(check_admission(&key(&earlier), &earlier), Ok(()));
    }

    #[test]
    fn no_degraded_unvalidated_or_foreign_run_serves() {
        let good = admitted("h", -24, domain(100.0, 30.0));
        let key = key(&good);
        let refused = |change: fn(&mut JudgedRun)| {
            let mut earlier = good.clone();
            change(&mut earlier);
            check_admission(&key, &earlier).map_err(|(reason, message)| (reason.name(), message))
        };
        let err = |reason, message: &str| Err((reason, message.to_owned()));
        assert_eq!(
            refused(|run| {
                run.verdict = crate::value::Verdict::Degraded;
                run.admission = Admission::NotAdmitted(AnalysisReason::LatencyRose);
            }),
            err("NotAdmitted", "Degraded: LatencyRose")
        );
        assert_eq!(
            refused(|run| run.under_unvalidated_promotion = true),
            err("UnvalidatedPromotion", "a promotion was in force that is not validated")
        );
        assert_eq!(
            refused(|run| run.measurement.domains[0].name = "rag".to_owned()),
            err("NotComparable", "it has no domain chat")
        );
        assert_eq!(
            refused(|run| run.measurement.domains[0].workload_hash = "other".to_owned()),
            err("NotComparable", "workload other, this run w")
        );
        assert_eq!(
            refused(|run| run.measurement.environment.gpu_product = Some("A100".to_owned())),
            err("NotComparable", "GPU product A100, this run unknown")
        );
    }

    #[test]
    fn an_earlier_run_started_before_and_ended_by_the_start() {
        let run = run_of("now", 0, domain(100.0, 30.0));
        let earlier = admitted("h", -24, domain(100.0, 30.0));
        let ending = |offset_seconds| {
            let mut earlier = earlier.clone();
            earlier.measurement.completed_at = run.started_at + SignedDuration::from_secs(offset_seconds);
            is_earlier(&earlier, &run)
        };
        assert!(ending(0) && ending(-1));
        assert!(!ending(1));
        let mut instant = earlier.clone();
        instant.measurement.started_at = run.started_at;
        instant.measurement.completed_at = run.started_at;
        assert!(!is_earlier(&instant, &run), "a run that started together with this one is no earlier one");
        let itself = admitted("now", -24, domain(100.0, 30.0));
        assert!(!is_earlier(&itself, &run), "a run is no evidence on itself");
    }
}
