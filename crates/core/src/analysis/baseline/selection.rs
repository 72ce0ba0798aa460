//! Choosing the runs of a baseline from the history.

use super::{
    BaselineKey, LeftOutReason,
    admission::{check_admission, is_earlier},
    outlier::{Outlier, find_outliers},
};
use crate::{
    analysis::{
        history::JudgedRun,
        judgement::{BaselineUse, LeftOutRun, RunName},
        measurement::{DomainMeasurement, RunMeasurement},
        settings::AnalysisSettings,
    },
    policy::bound::BASELINE_WINDOW_SLACK,
    prelude::*,
};

/// A run that serves as baseline of a domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BaselineRun<'a> {
    /// The run.
    pub run: &'a JudgedRun,
    /// What it measured of the domain.
    pub domain: &'a DomainMeasurement,
}

/// The runs that a domain is compared with, newest first, and how they were chosen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Baseline<'a> {
    /// Those that serve.
    pub runs: Vec<BaselineRun<'a>>,
    /// The choice, for the report.
    pub choice: BaselineUse,
}

impl Baseline<'_> {
    /// The runs that fell out when each was held against the others.
    pub fn fallen_out(&self) -> impl Iterator<Item = &LeftOutRun> {
        self.choice.left_out.iter().filter(|left_out| left_out.reason == LeftOutReason::FallsOut)
    }
}

/// Chooses the baseline of one domain of a run: the admitted comparable runs of the window that do not fall out; where
/// they are fewer than a baseline needs, the newest older ones within reach as well, one by one, until it has enough.
pub fn select_baseline<'a>(
    run: &RunMeasurement,
    key: &BaselineKey,
    history: &'a [JudgedRun],
    settings: &AnalysisSettings,
) -> Baseline<'a> {
    let age = |earlier: &JudgedRun| run.started_at.duration_since(earlier.measurement.started_at);
    let window = settings.baseline_window.saturating_add(BASELINE_WINDOW_SLACK);
    let in_window = |earlier: &JudgedRun| age(earlier) <= window;
    let mut left_out = Vec::new();
    let mut admitted = Vec::new();
    for earlier in earlier_runs(run, key, history) {
        match check_admission(key, earlier) {
            Ok(()) if in_window(earlier) || age(earlier) <= settings.baseline_reach => admitted.extend(
                earlier
                    .measurement
                    .domains
                    .iter()
                    .find(|domain| domain.name == key.domain)
                    .map(|domain| BaselineRun { run: earlier, domain }),
            ),
            Err((reason, message)) if in_window(earlier) => {
                left_out.push(LeftOutRun { run: name_of(earlier), reason, message });
            }
            Ok(()) | Err(_) => {}
        }
    }
    let admitted_in_window = admitted.iter().filter(|candidate| in_window(candidate.run)).count();
    let (taken, outliers) = take_enough(&admitted, admitted_in_window, settings);
    let mut runs = Vec::new();
    for (position, candidate) in taken.iter().enumerate() {
        match outliers.iter().find(|outlier| outlier.position == position) {
            Some(outlier) => left_out.push(LeftOutRun {
                run: name_of(candidate.run),
                reason: LeftOutReason::FallsOut,
                message: outlier.message.clone(),
            }),
            None => runs.push(*candidate),
        }
    }
    let reached_back = runs.iter().any(|candidate| !in_window(candidate.run));
    let names = runs.iter().map(|candidate| name_of(candidate.run)).collect();
    Baseline { runs, choice: BaselineUse { runs: names, left_out, reached_back } }
}

/// The earlier runs of the target, newest first, each once.
fn earlier_runs<'a>(run: &RunMeasurement, key: &BaselineKey, history: &'a [JudgedRun]) -> Vec<&'a JudgedRun> {
    let mut earlier: Vec<&JudgedRun> =
        history.iter().filter(|earlier| earlier.target == key.target && is_earlier(earlier, run)).collect();
    earlier.sort_by(|a, b| {
        let (a, b) = (&a.measurement, &b.measurement);
        b.started_at.cmp(&a.started_at).then_with(|| b.uid.cmp(&a.uid))
    });
    earlier.dedup_by(|a, b| a.measurement.uid == b.measurement.uid);
    earlier
}

/// The runs of the window, and as many older ones as it takes to be left with enough; with those that fall out.
fn take_enough<'c, 'a>(
    admitted: &'c [BaselineRun<'a>],
    in_window: usize,
    settings: &AnalysisSettings,
) -> (&'c [BaselineRun<'a>], Vec<Outlier>) {
    let mut count = in_window;
    loop {
        let taken = admitted.get(..count).unwrap_or(admitted);
        let domains: Vec<&DomainMeasurement> = taken.iter().map(|candidate| candidate.domain).collect();
        let outliers = find_outliers(&domains, settings);
        if taken.len() - outliers.len() >= settings.minimum_runs || count >= admitted.len() {
            return (taken, outliers);
        }
        count += 1;
    }
}

fn name_of(run: &JudgedRun) -> RunName {
    RunName { uid: run.measurement.uid.clone(), name: run.measurement.name.clone() }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::analysis::{
        fixture::{admitted, domain, run_of, settings},
        judgement::Admission,
        reason::AnalysisReason,
    };

    fn chosen<'a>(history: &'a [JudgedRun], settings: &AnalysisSettings) -> Baseline<'a> {
        let run = run_of("now", 0, domain(100.0, 30.0));
        let key = BaselineKey::new("t", "chat", "w", &run.environment);
        select_baseline(&run, &key, history, settings)
    }

    fn names(baseline: &Baseline<'_>) -> Vec<String> {
        baseline.choice.runs.iter().map(|run| run.name.clone()).collect()
    }

    fn at_hours(hours: &[i64]) -> Vec<JudgedRun> {
        hours.iter().map(|hour| admitted(&format!("h{hour}"), *hour, domain(100.0, 30.0))).collect()
    }

    #[test]
    fn the_window_reaches_seven_days_back_whatever_delayed_a_night_or_moved_its_clock() {
        let mut history = at_hours(&[-24, -48, -72, -168]);
        for late in [SignedDuration::ZERO, SignedDuration::from_mins(61), SignedDuration::from_mins(59)] {
            history[3].measurement.started_at -= late;
            assert_eq!(names(&chosen(&history, &settings())), ["h-24", "h-48", "h-72", "h-168"]);
        }
        history[3].measurement.started_at -= SignedDuration::from_secs(1);
        let baseline = chosen(&history, &settings());
        assert_eq!(names(&baseline), ["h-24", "h-48", "h-72"]);
        assert!(!baseline.choice.reached_back);
    }

    #[test]
    fn the_newest_older_runs_serve_only_as_far_as_they_are_needed() {
        let history = at_hours(&[-300, -24, -200, -250]);
        let baseline = chosen(&history, &settings());
        assert_eq!(names(&baseline), ["h-24", "h-200", "h-250"]);
        assert!(baseline.choice.reached_back);
        assert_eq!(baseline.runs.len(), 3);
    }

    #[test]
    fn nothing_older_than_28_days_serves() {
        let mut history = at_hours(&[-24, -48, -672]);
        assert_eq!(names(&chosen(&history, &settings())).len(), 3);
        history[2].measurement.started_at -= SignedDuration::from_secs(1);
        let baseline = chosen(&history, &settings());
        assert_eq!(names(&baseline), ["h-24", "h-48"]);
        assert!(!baseline.choice.reached_back);
    }

    #[test]
    fn a_run_that_falls_out_is_replaced_from_beyond_the_window() {
        let mut history = at_hours(&[-24, -48, -200, -250]);
        history.push(admitted("bad", -72, domain(500.0, 30.0)));
        let baseline = chosen(&history, &settings());
        assert_eq!(names(&baseline), ["h-24", "h-48", "h-200"]);
        let fallen: Vec<&str> = baseline.fallen_out().map(|left_out| left_out.run.name.as_str()).collect();
        assert_eq!(fallen, ["bad"]);
        assert_eq!(baseline.choice.left_out.len(), 1);
    }

    #[test]
    fn a_window_with_enough_runs_looks_no_further() {
        let history = at_hours(&[-24, -48, -72, -200]);
        assert_eq!(names(&chosen(&history, &settings())), ["h-24", "h-48", "h-72"]);
        let four = AnalysisSettings { minimum_runs: 4, ..settings() };
        assert_eq!(names(&chosen(&history, &four)).len(), 4);
    }

    #[test]
    fn what_was_not_admitted_is_listed_while_it_lies_in_the_window() {
        let mut history = at_hours(&[-24, -170, -171]);
        for run in &mut history {
            run.admission = Admission::NotAdmitted(AnalysisReason::ClientEngineDisagree);
        }
        let baseline = chosen(&history, &settings());
        assert!(names(&baseline).is_empty());
        let left_out: Vec<(&str, LeftOutReason)> =
            baseline.choice.left_out.iter().map(|left_out| (left_out.run.name.as_str(), left_out.reason)).collect();
        assert_eq!(left_out, [("h-24", LeftOutReason::NotAdmitted), ("h-170", LeftOutReason::NotAdmitted)]);
        assert_eq!(baseline.fallen_out().count(), 0);
    }

    #[test]
    fn runs_of_other_targets_and_doubled_runs_do_not_count() {
        let mut history = at_hours(&[-24, -24, -48]);
        history[2].target = "other".to_owned();
        let baseline = chosen(&history, &settings());
        assert_eq!(names(&baseline), ["h-24"]);
        assert!(baseline.choice.left_out.is_empty());
    }
}
