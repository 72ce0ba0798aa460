//! Following a cycle to its end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use phaseloop_core::{schedule::later_by, value::Verdict};

use super::{
    begin::{BeginError, Found, Subject, begin, runs_of},
    decide::{CycleEnd, CycleStep, decide},
    view::{CycleView, Seen, view_of},
};
use crate::{
    cluster::{Cluster, ClusterError, ClusterErrorKind, execute::AuditExport},
    handling::pace::{Pace, Pause},
};

/// Between two looks at a cycle.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Between two looks at whether the next run has started.
const LOOK_FOR_NEXT: Duration = Duration::from_secs(5);

/// What is awaited, where, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleTerms {
    /// The namespace.
    pub namespace: String,
    /// The run.
    pub subject: Subject,
    /// How long.
    pub timeout: SignedDuration,
}

/// A cycle at its end.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CycleOutcome {
    /// Its id.
    pub cycle: String,
    /// Its namespace.
    pub namespace: String,
    /// Its run.
    pub phase_run: String,
    /// The run's verdict.
    pub verdict: Option<Verdict>,
    /// Its promotion.
    pub promotion: Option<String>,
    /// How it ended.
    #[serde(flatten)]
    pub end: CycleEnd,
    /// The exit code of the command.
    pub exit_code: u8,
}

/// Why the end was not seen.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// There is no run to await.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// A call failed that another try does not mend.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The deadline passed, or somebody interrupted the command. The cycle goes on in the cluster.
    #[error("{why}; {standing}. The cycle goes on in the cluster\n  remedy: {remedy}")]
    GoesOn {
        /// What came first.
        why: &'static str,
        /// What was waited for.
        standing: String,
        /// How to await it.
        remedy: String,
    },
}

/// Begins or finds a cycle, and follows it to its end. What is waited for is told whenever it changes.
///
/// # Errors
/// [`CycleError`].
pub async fn follow_cycle<P: Pace>(
    cluster: &Cluster,
    export: &dyn AuditExport,
    terms: &CycleTerms,
    pace: &mut P,
    tell: &mut dyn FnMut(&str),
) -> Result<CycleOutcome, CycleError> {
    let deadline = later_by(pace.now(), terms.timeout);
    let found = begin(cluster, export, &terms.namespace, &terms.subject, pace.now(), deadline).await?;
    let mut follow = Follow { cluster, namespace: &terms.namespace, pace, tell, told: String::new(), deadline };
    let run = match found {
        Found::Run(run) => run,
        Found::Next { schedule, known } => {
            follow.say(format!("phaseschedule/{schedule}: waits for its next run"));
            let subject = format!("phaseschedule/{schedule} -n {}", terms.namespace);
            loop {
                let runs = follow.read(runs_of(cluster.reader(), &terms.namespace, &schedule).await)?;
                let new = runs.iter().flatten().map(ResourceExt::name_any).find(|name| !known.contains(name));
                if let Some(name) = new {
                    break name;
                }
                follow.pause(LOOK_FOR_NEXT, &subject).await?;
            }
        }
    };
    follow.until_end(&run).await
}

struct Follow<'a, P: Pace> {
    cluster: &'a Cluster,
    namespace: &'a str,
    pace: &'a mut P,
    tell: &'a mut dyn FnMut(&str),
    told: String,
    deadline: Timestamp,
}

impl<P: Pace> Follow<'_, P> {
    fn say(&mut self, text: String) {
        if text != self.told {
            (self.tell)(&text);
            self.told = text;
        }
    }

    /// What a call read; `None` where it is to be tried again.
    fn read<T>(&mut self, read: Result<T, ClusterError>) -> Result<Option<T>, CycleError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if matches!(error.kind, ClusterErrorKind::NoAnswer | ClusterErrorKind::Busy) => {
                (self.tell)(&format!("{}; it is tried again", error.chain()));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn pause(&mut self, duration: Duration, what: &str) -> Result<(), CycleError> {
        let interrupted = self.pace.pause(duration).await == Pause::Interrupted;
        if !interrupted && self.pace.now() < self.deadline {
            return Ok(());
        }
        Err(CycleError::GoesOn {
            why: if interrupted { "interrupted" } else { "the deadline has passed" },
            standing: self.told.clone(),
            remedy: format!("phaseloop cycle {what} awaits it; kubectl get phaseloop -n {} shows it", self.namespace),
        })
    }

    async fn until_end(&mut self, run: &str) -> Result<CycleOutcome, CycleError> {
        let mut seen = Seen::default();
        loop {
            let now = self.pace.now();
            let read = view_of(self.cluster.reader(), self.namespace, run, seen, now).await;
            if let Some(view) = self.read(read)? {
                seen = view.seen;
                match decide(&view, now) {
                    CycleStep::Ends(end) => return Ok(outcome(&view, run, self.namespace, end)),
                    CycleStep::Waits(text) => self.say(text),
                }
            }
            self.pause(LOOK_AGAIN, &format!("phaserun/{run} -n {}", self.namespace)).await?;
        }
    }
}

fn outcome(view: &CycleView, run: &str, namespace: &str, end: CycleEnd) -> CycleOutcome {
    CycleOutcome {
        cycle: view.cycle().unwrap_or_default(),
        namespace: namespace.to_owned(),
        phase_run: run.to_owned(),
        verdict: view.run.as_ref().and_then(|run| run.status.as_ref()?.verdict),
        promotion: view.promotion.as_ref().map(ResourceExt::name_any),
        exit_code: end.reason.exit().code(),
        end,
    }
}
