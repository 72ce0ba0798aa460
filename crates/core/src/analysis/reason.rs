//! Why a run was judged as it was.

use crate::{prelude::*, reasons};

reasons! {
    /// What decided a verdict, or what a reader of the verdict must know.
    pub enum AnalysisReason {
        /// Every metric that can be compared is within its limits, or its change is within the noise.
        WithinLimits,
        /// The engine ran out of GPU memory or refused to start for want of it, more often than in the baseline.
        OomEventsSeen,
        /// The engine died, or refused to start, for a stated reason other than memory; read the line that it ended with.
        EngineCrashed,
        /// A latency rose beyond its limit and beyond the noise.
        LatencyRose,
        /// A throughput fell beyond its limit and beyond the noise.
        ThroughputFell,
        /// Fewer requests or tests passed than the limit and the noise allow.
        PassRateFell,
        /// A baseline is still being gathered: too few earlier runs can be compared with this one.
        BaselineSeeding,
        /// Nothing was measured; look at the test pod and at its workload.
        NoData,
        /// A fault of the card, the node or the cluster; it says nothing of the configuration.
        InfrastructureFault,
        /// The engine never became ready, and nothing says why; keep its output to learn more.
        EngineStartUnexplained,
        /// The engine ended after it was ready, and nothing says why; exit code 0 is no evidence of health.
        EngineEndUnexplained,
        /// The engine did not start or end in time.
        EngineTimedOut,
        /// Too few requests or tests were answered to judge by.
        TooFewSamples,
        /// The load client did not send all that the workload demanded.
        RequestsNotSent,
        /// More requests failed than a measurement of latency endures: those that failed are missing from it.
        TooManyFailedRequests,
        /// Client and engine tell different things of the same time: latencies arose in the client, or others were served.
        ClientEngineDisagree,
        /// The load client sent later than its schedule demanded, so that the load was another than the baseline's.
        ClientBehindSchedule,
        /// A metric that the baseline has is missing from this run; missing is never a pass.
        MetricMissing,
        /// The measurement contradicts itself and can't be judged; repair the run's specification or its reader.
        MeasurementMalformed,
        /// Too few comparable runs lie in the baseline's window, so that older ones serve.
        BaselineReachedBack,
        /// A run that may serve as baseline was left out because it differs from the others.
        BaselineRunLeftOut,
        /// A change beyond its limit is within the noise of the baseline and of the samples; it counts as no degradation.
        ChangeNotSignificant,
        /// What the engine says of itself was not read, so that the client's figures stand alone.
        EngineUnobserved,
        /// Parts of the environment were not seen but taken from the last run of the same image.
        EnvironmentInferred,
    }
}

/// One reason with its figures: what was seen, the limit, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which reason.
    pub reason: AnalysisReason,
    /// The domain it was found in; absent where it concerns the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// A sentence for people, with the figure and the limit.
    pub message: String,
}

impl Finding {
    /// A finding of one domain.
    pub fn of_domain(reason: AnalysisReason, domain: &str, message: String) -> Self {
        Self { reason, domain: Some(domain.to_owned()), message }
    }

    /// A finding of the whole run.
    pub const fn of_run(reason: AnalysisReason, message: String) -> Self {
        Self { reason, domain: None, message }
    }
}
