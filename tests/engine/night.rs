//! The operator's decisions on nights of the model, without a cluster: measure, judge, count, arm, plan, try, choose. Every
//! decision is the core's own function; only who runs the pods is left out.

use jiff::{SignedDuration, Timestamp};
use phaseloop::{
    api::workload::Workload,
    simulation::engine::{
        EngineSettings, EngineSpec, MeasureWindow, Micros, ProbeFigures, RequestSchedule, RestartPolicy, RunTerms,
        SweepPoint, SweepTerms, derive_seed, measure, run_lives, sweep,
    },
};
use phaseloop_core::{
    analysis::{
        bench::LatencyLimits,
        history::JudgedRun,
        judge::judge_run,
        judgement::TemplateHashes,
        measurement::{EngineFailure, RunMeasurement},
        settings::AnalysisSettings,
    },
    cycle::{CycleDecision, CycleFacts, CyclePolicy, decide_cycle},
    policy::{Flag, FlagState, Ledger, TargetClaims, bound},
    schedule::{Schedule, Zone},
    tuning::{
        CandidatePlan, NextTrial, RequestedParameter, SearchLimits, Trial, TrialEnding, TrialLimits, TrialMeasurement,
        TrialResult, WinnerDecision, WinnerTerms, change_size, decide_winner, judge_trial, next_trial, search::edge_of,
    },
    value::{Diagnosis, Environment, ParameterSet, RunFacts, Uid, Verdict},
};

use crate::rig::{NO_LIMITS, terms};

/// Nights before the change, and from it on.
const NIGHTS_BEFORE: usize = 5;
const NIGHTS_AFTER: usize = 3;
/// Failures in a row that end a search, and what a winner must bring: the defaults of an Escalation.
const STOP_AFTER_FAILURES: usize = 2;
const WINNER_TERMS: (i64, i64) = (20_000, 500_000);

/// A target to which something happens.
pub(crate) struct Target {
    /// The engine while all was well.
    pub(crate) healthy: EngineSpec,
    /// The engine after the change.
    pub(crate) changed: EngineSpec,
    /// The load of a night.
    pub(crate) phase: Workload,
    /// The load of a canary, and how long it lasts.
    pub(crate) canary: Workload,
    pub(crate) canary_lasts: Micros,
    /// The limits of a canary's requests.
    pub(crate) limits: LatencyLimits,
    /// What the Escalation names to be tuned; empty: what the catalogue has.
    pub(crate) parameters: Vec<RequestedParameter>,
    pub(crate) seed: u64,
}

/// What the loop made of it.
pub(crate) struct Answer {
    /// The verdicts of all nights.
    pub(crate) verdicts: Vec<Verdict>,
    /// Why it was done: what the last night found.
    pub(crate) diagnoses: Vec<Diagnosis>,
    /// What was to be tried.
    pub(crate) plan: CandidatePlan,
    /// What was tried, the incumbent first.
    pub(crate) trials: Vec<TrialResult>,
    /// Who won.
    pub(crate) decision: WinnerDecision,
}

impl Answer {
    /// `flag=value` of the winner.
    pub(crate) fn winner(&self) -> String {
        self.decision.winner.as_ref().map_or_else(|| self.decision.message.clone(), text_of)
    }

    /// Everything in one line, for a test that fails.
    pub(crate) fn story(&self) -> String {
        let trial = |trial: &TrialResult| {
            let fitness = trial.judgement.fitness.map_or_else(
                || trial.judgement.findings.first().map_or_else(String::new, |finding| finding.reason.to_string()),
                |fitness| fitness.to_string(),
            );
            format!("[{}] {fitness}", text_of(&trial.parameters))
        };
        let trials: Vec<String> = self.trials.iter().map(trial).collect();
        format!("{:?} {:?}: {} -> {}", self.verdicts, self.diagnoses, trials.join(", "), self.winner())
    }
}

/// `flag=value` of what a candidate sets.
pub(crate) fn text_of(parameters: &ParameterSet) -> String {
    parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

impl Target {
    /// Takes the target through its nights, and through the search that they permit.
    pub(crate) fn tune(&self) -> Answer {
        let (judged, decision) = self.nights();
        let plan =
            decision.candidates.clone().unwrap_or_else(|| panic!("no flag permits anything: {:?}", decision.flags));
        let trials = self.search(&plan);
        let (incumbent, candidates) = trials.split_first().unwrap();
        let winner_terms = WinnerTerms {
            minimum_gain: phaseloop_core::value::Decimal::from_millionths(WINNER_TERMS.0),
            minimum_fitness: phaseloop_core::value::Decimal::from_millionths(WINNER_TERMS.1),
        };
        let decision = decide_winner(incumbent, candidates, &winner_terms);
        let diagnoses = judged.last().unwrap().1.symptoms.iter().map(|symptom| symptom.diagnosis).collect();
        let verdicts = judged.iter().map(|(verdict, _)| *verdict).collect();
        Answer { verdicts, diagnoses, plan, trials, decision }
    }

    /// The nights, judged, and what follows after the last.
    fn nights(&self) -> (Vec<(Verdict, RunFacts)>, CycleDecision) {
        let schedule = Schedule { cron: bound::SCHEDULE_DEFAULT.parse().unwrap(), zone: Zone::utc() };
        let policy = CyclePolicy { parameters: self.parameters.clone(), ..CyclePolicy::with_defaults(schedule) };
        let settings = AnalysisSettings::default();
        let (ledger, claims) = (Ledger::default(), TargetClaims::default());
        let mut history: Vec<JudgedRun> = Vec::new();
        let mut runs: Vec<RunFacts> = Vec::new();
        let mut flags: Vec<Flag> = Vec::new();
        let mut judged = Vec::new();
        let mut last = None;
        let mut at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        for night in 0..NIGHTS_BEFORE + NIGHTS_AFTER {
            at = policy.schedule.next_after(at).unwrap();
            let spec = if night < NIGHTS_BEFORE { &self.healthy } else { &self.changed };
            let run = self.phase_run(spec, night, at);
            let judgement = judge_run(&run, &history, &settings);
            let newest = judgement.domains.iter().find_map(|domain| domain.baseline.runs.first());
            let healthy = newest
                .and_then(|newest| history.iter().find(|run| run.measurement.uid == newest.uid))
                .map(|run| run.measurement.environment.configuration.clone());
            let facts = judgement.to_run_facts(&run, true, TemplateHashes::default());
            judged.push((judgement.verdict, facts.clone()));
            runs.push(facts);
            let decision = decide_cycle(
                &policy,
                &CycleFacts {
                    runs: &runs,
                    flags_before: &flags,
                    ledger: &ledger,
                    canaries: &[],
                    claims: &claims,
                    suspension: None,
                    environment: &judgement.environment,
                    healthy: healthy.as_ref(),
                    denied: &[],
                    engine_starts: &[],
                    current: None,
                },
                run.completed_at,
            );
            history.push(JudgedRun::new(settings.target.clone(), run, &judgement, false));
            flags.clone_from(&decision.flags);
            let armed = flags.iter().any(|flag| flag.state == FlagState::Armed);
            assert_eq!(
                armed,
                night + 1 == NIGHTS_BEFORE + NIGHTS_AFTER,
                "night {night}: {:?} {:?}",
                judgement.reasons,
                judgement.symptoms
            );
            last = Some(decision);
        }
        (judged, last.unwrap())
    }

    /// One night: the engine may be started anew three times.
    fn phase_run(&self, spec: &EngineSpec, night: usize, at: Timestamp) -> RunMeasurement {
        let schedule = RequestSchedule::of(&self.phase);
        let lasting = schedule.last_due().plus(Micros(30_000_000));
        let seed = derive_seed(self.seed, &["night", &night.to_string()]);
        let terms = RunTerms { restarts: RestartPolicy::of_kubelet(3), lasting, ..terms(seed) };
        let run = run_lives(spec, &schedule, &terms);
        let window = MeasureWindow { from: run.beginning.unwrap_or(run.until), until: run.until };
        let figures = measure(&schedule, &run, &terms.client, &NO_LIMITS, window);
        let name = format!("night-{night}");
        RunMeasurement {
            uid: Uid::new(name.clone()),
            name,
            started_at: at,
            completed_at: at + SignedDuration::from_mins(20),
            environment: environment(spec),
            domains: vec![figures.domain("serving", "one workload", run.outcome())],
        }
    }

    /// The search, trial by trial.
    fn search(&self, plan: &CandidatePlan) -> Vec<TrialResult> {
        let limits = SearchLimits { stop_after_failures: STOP_AFTER_FAILURES, trials_left: None, time_left: true };
        let mut trials: Vec<TrialResult> = Vec::new();
        loop {
            let seen: Vec<Trial> = trials
                .iter()
                .map(|trial| Trial {
                    parameters: trial.parameters.clone(),
                    ending: TrialEnding::from(&trial.judgement),
                })
                .collect();
            let parameters = match next_trial(plan, &seen, &limits) {
                NextTrial::Done(_) => {
                    if let Some(edge) = edge_of(plan, &seen) {
                        for trial in &mut trials {
                            trial.at_edge = trial.parameters == edge;
                        }
                    }
                    return trials;
                }
                NextTrial::TryIncumbent => ParameterSet::new(),
                NextTrial::Try(candidate) => candidate.parameters,
            };
            trials.push(self.trial(&parameters));
        }
    }

    /// One canary.
    fn trial(&self, parameters: &ParameterSet) -> TrialResult {
        let mut configuration = self.changed.settings.arguments.clone();
        configuration.extend(parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let spec = self.changed.with_settings(EngineSettings::from_configuration(&configuration).unwrap());
        let terms = self.sweep_terms();
        let run = run_lives(&spec, &terms.schedule, &terms.run);
        let window = MeasureWindow { from: run.beginning.unwrap_or(run.until), until: run.until };
        let figures = measure(&terms.schedule, &run, &terms.run.client, &terms.limits, window);
        let measured = measurement(&figures, run.outcome().failures, parameters, &spec);
        TrialResult {
            parameters: parameters.clone(),
            judgement: judge_trial(&measured, &TrialLimits::default()),
            met: measured.met,
            throughput: measured.throughput,
            latency_ms_p95: measured.latency_ms_p95,
            change: change_size(parameters, &self.changed.settings.arguments),
            at_edge: false,
        }
    }

    /// Every value of a flag, tried on the changed engine as a canary would be.
    pub(crate) fn sweep(&self, flag: &str, values: &[&str]) -> Vec<SweepPoint> {
        sweep(&self.changed, flag, values, &self.sweep_terms()).unwrap()
    }

    fn sweep_terms(&self) -> SweepTerms {
        let run = RunTerms { lasting: self.canary_lasts, ..terms(derive_seed(self.seed, &["canaries"])) };
        SweepTerms { schedule: RequestSchedule::of(&self.canary), limits: self.limits, run }
    }
}

fn measurement(
    figures: &ProbeFigures,
    failures: Vec<EngineFailure>,
    asked: &ParameterSet,
    spec: &EngineSpec,
) -> TrialMeasurement {
    let effective = Some(spec.settings.arguments.clone());
    TrialMeasurement { asked: asked.clone(), effective, ..figures.trial(failures) }
}

fn environment(spec: &EngineSpec) -> Environment {
    Environment {
        engine_version: Some(format!("vllm {}", spec.release.version)),
        model: Some(spec.model.name.clone()),
        gpu_product: Some(spec.card.product.clone()),
        gpu_count: Some(1),
        gpu_sharing: Some("none".to_owned()),
        driver_version: Some(spec.card.driver_version.clone()),
        configuration: spec.settings.arguments.clone(),
        ..Environment::default()
    }
}
