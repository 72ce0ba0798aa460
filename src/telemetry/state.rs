//! Gauges that are computed when somebody asks for them: a function of the objects that exist, never counted in passing.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use phaseloop_core::{plan::OwnKind, value::SymptomKind};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
    registry::Unit,
};

use super::{
    ObjectFacts,
    definition::{
        BUDGET_LEFT, CANARIES, ESCALATIONS, FLAG_EXPIRY, FLAGS_ARMED, GATES, LEADER, MISSED_STARTS, MetricDefinition,
        PHASE_RUNS, PROMOTIONS, READY_GATE, UNRESTORED,
    },
};

/// The state of an object that says none.
const NO_STATE: &str = "None";

/// What is known at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoopState {
    /// Whether this replica leads.
    pub leads: bool,
    /// What is waited for at the start, and whether it is there.
    pub ready_gates: BTreeMap<String, bool>,
    /// Every object of our kinds that is watched.
    pub objects: Vec<(OwnKind, ObjectFacts)>,
}

/// Knows the state.
pub trait StateSource: Send + Sync {
    /// What is known now.
    fn state(&self) -> LoopState;
}

/// One gauge with its series: label values in the order of the definition, and the figure.
#[derive(Debug, Clone, PartialEq)]
pub struct GaugeRows {
    /// Which.
    pub definition: &'static MetricDefinition,
    /// Its series.
    pub rows: BTreeMap<Vec<String>, f64>,
}

/// The gauges of a state. Pure.
pub fn gauges(state: &LoopState) -> Vec<GaugeRows> {
    let one = |definition, value: f64| GaugeRows { definition, rows: BTreeMap::from([(Vec::new(), value)]) };
    let ready = state.ready_gates.iter().map(|(gate, open)| (vec![gate.clone()], f64::from(u8::from(*open))));
    let by_state = |definition, kind| GaugeRows { definition, rows: counted(state, kind) };
    let escalations = || state.objects.iter().filter(|(kind, _)| *kind == OwnKind::Escalation).map(|(_, facts)| facts);
    vec![
        one(&LEADER, f64::from(u8::from(state.leads))),
        GaugeRows { definition: &READY_GATE, rows: ready.collect() },
        GaugeRows { definition: &GATES, rows: gate_rows(escalations()) },
        by_state(&ESCALATIONS, OwnKind::Escalation),
        GaugeRows { definition: &FLAGS_ARMED, rows: flag_rows(escalations(), |_, count, _| Some(count)) },
        GaugeRows { definition: &FLAG_EXPIRY, rows: flag_rows(escalations(), |_, _, next| next.map(seconds_of)) },
        GaugeRows { definition: &BUDGET_LEFT, rows: budget_rows(escalations()) },
        by_state(&PHASE_RUNS, OwnKind::PhaseRun),
        by_state(&CANARIES, OwnKind::TuningCanary),
        one(&UNRESTORED, summed(state, |facts| u32::from(facts.restore_failed))),
        one(&MISSED_STARTS, summed(state, |facts| facts.missed_starts)),
        by_state(&PROMOTIONS, OwnKind::Promotion),
    ]
}

type Rows = BTreeMap<Vec<String>, f64>;

fn counted(state: &LoopState, kind: OwnKind) -> Rows {
    let mut rows = Rows::new();
    for (_, facts) in state.objects.iter().filter(|(of, _)| *of == kind) {
        *rows.entry(vec![facts.state.unwrap_or(NO_STATE).to_owned()]).or_default() += 1.0;
    }
    rows
}

fn summed(state: &LoopState, figure: impl Fn(&ObjectFacts) -> u32) -> f64 {
    state.objects.iter().map(|(_, facts)| f64::from(figure(facts))).sum()
}

fn gate_rows<'a>(escalations: impl Iterator<Item = &'a ObjectFacts>) -> Rows {
    let mut rows = Rows::new();
    for (gate, open) in escalations.flat_map(|facts| &facts.gates) {
        // Both, so that a gate which opens shows a zero and no gap.
        for (state, of) in [("open", true), ("closed", false)] {
            *rows.entry(vec![(*gate).to_owned(), state.to_owned()]).or_default() += f64::from(u8::from(*open == of));
        }
    }
    rows
}

/// One row per symptom: how many flags are armed, and which of them expires next.
fn flag_rows<'a>(
    escalations: impl Iterator<Item = &'a ObjectFacts>,
    figure: impl Fn(SymptomKind, f64, Option<Timestamp>) -> Option<f64>,
) -> Rows {
    let mut symptoms: BTreeMap<SymptomKind, (f64, Option<Timestamp>)> =
        SymptomKind::ALL.into_iter().map(|symptom| (symptom, (0.0, None))).collect();
    for (symptom, expires_at) in escalations.flat_map(|facts| &facts.armed) {
        let (count, next) = symptoms.entry(*symptom).or_default();
        *count += 1.0;
        *next = next.iter().chain(expires_at).min().copied();
    }
    let row = |(symptom, (count, next)): (SymptomKind, (f64, Option<Timestamp>))| {
        Some((vec![symptom.name().to_owned()], figure(symptom, count, next)?))
    };
    symptoms.into_iter().filter_map(row).collect()
}

fn seconds_of(instant: Timestamp) -> f64 {
    instant.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

fn budget_rows<'a>(escalations: impl Iterator<Item = &'a ObjectFacts>) -> Rows {
    let mut least: BTreeMap<&str, SignedDuration> = BTreeMap::new();
    for left in escalations.filter_map(|facts| facts.budget_left) {
        for (budget, left) in [("measure", left.measure), ("hold", left.hold)] {
            let known = least.entry(budget).or_insert(left);
            *known = left.min(*known);
        }
    }
    least.into_iter().map(|(budget, left)| (vec![budget.to_owned()], left.as_secs_f64())).collect()
}

/// Shows the state to whoever scrapes.
#[derive(Clone)]
pub(super) struct StateCollector(pub(super) Arc<dyn StateSource>);

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for gauge in gauges(&self.0.state()) {
            let (form, unit): (_, Option<&Unit>) = (MetricType::Gauge, None);
            // The registry adds the full stop to what is registered, and nothing to what a collector tells.
            let help = format!("{}.", gauge.definition.help);
            let mut family = encoder.encode_descriptor(gauge.definition.name, &help, unit, form)?;
            for (values, figure) in &gauge.rows {
                let names = gauge.definition.labels.iter().map(|label| label.name);
                let labels: Vec<(&str, &str)> = names.zip(values.iter().map(String::as_str)).collect();
                ConstGauge::new(*figure).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for StateCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateCollector")
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
