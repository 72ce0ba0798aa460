//! The ledger in the status of an Escalation: the core's, both ways and without loss.
//!
//! A night is known by its date alone: whoever changes the zone of the windows gets no second budget for the same date.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil::Date};
use kube::KubeSchema;
use phaseloop_core::{
    policy::{self as core, NightId, Spend, TuningRunFacts, ledger::FoldedCanary},
    schedule::Zone,
    value::Uid,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{duration::Duration, schema};

/// Nights that a status keeps. The core forgets them after 28 days, unless a gate looks back further.
pub const NIGHTS_MAX: usize = 400;
/// Tuning runs that a status keeps: more than any rate counts.
pub const RUNS_MAX: usize = 200;
/// Consumed runs that a status keeps. The core forgets those that exist no more.
pub const CONSUMED_MAX: usize = 2000;

/// A part of both budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetPart {
    /// Measuring.
    pub measure: Duration,
    /// Holding GPUs.
    pub hold: Duration,
}

/// A canary that was folded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoldedAttempt {
    /// Its number in the night.
    #[schemars(range(min = 0, max = 127))]
    pub attempt: i64,
    /// What was reserved for it.
    pub reserved: BudgetPart,
    /// What it counts for. What nobody can prove counts as used.
    pub used: BudgetPart,
}

/// What one night has spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NightLedger {
    /// The night, by the local date on which its window began.
    #[schemars(schema_with = "schema::night")]
    pub night: String,
    /// Used by canaries that are gone, those included that are not folded yet.
    pub used: BudgetPart,
    /// Reserved for canaries that are not gone yet.
    pub reserved: BudgetPart,
    /// The canaries that were folded, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["attempt".into()]))]
    pub folded: Vec<FoldedAttempt>,
}

/// A tuning run that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TuningRunRecord {
    /// Id of the cycle.
    #[schemars(schema_with = "schema::short_text")]
    pub cycle: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended; left out while it is going.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// What has been spent. Folded from canaries, so that deleting one refunds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// Nights, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["night".into()]))]
    pub nights: Vec<NightLedger>,
    /// Tuning runs of folded canaries, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub runs: Vec<TuningRunRecord>,
    /// When the cooldown ends; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_until: Option<Timestamp>,
    /// Uids of runs whose symptoms tuning runs have consumed, folded from canaries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "consumed")]
    pub consumed: Vec<String>,
}

fn consumed(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "maxItems": 2000, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "minLength": 1, "maxLength": schema::DIGEST_LENGTH_MAX },
    })
}

impl From<Spend> for BudgetPart {
    /// To the millisecond, upwards: what is written never says less than what was spent.
    fn from(spend: Spend) -> Self {
        Self { measure: rounded_up(spend.measure).into(), hold: rounded_up(spend.hold).into() }
    }
}

impl From<BudgetPart> for Spend {
    fn from(part: BudgetPart) -> Self {
        Self { measure: part.measure.into(), hold: part.hold.into() }
    }
}

/// To the millisecond, as durations are written.
pub fn rounded_up(duration: SignedDuration) -> SignedDuration {
    let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let whole = SignedDuration::from_millis(milliseconds);
    if whole < duration { whole.saturating_add(SignedDuration::from_millis(1)) } else { whole }
}

impl Ledger {
    /// The ledger as status keeps it; `balance` says what a night has used and reserved, canaries that are not folded
    /// included.
    pub fn of(ledger: &core::Ledger, balance: impl Fn(&NightId) -> (Spend, Spend)) -> Self {
        let nights = ledger.nights.iter().rev().take(NIGHTS_MAX).map(|(night, folded)| {
            let (used, reserved) = balance(night);
            let folded = folded.iter().map(|(attempt, canary)| FoldedAttempt {
                attempt: i64::from(*attempt),
                reserved: canary.reserved.into(),
                used: canary.used.into(),
            });
            NightLedger {
                night: night.date.to_string(),
                used: used.into(),
                reserved: reserved.into(),
                folded: folded.collect(),
            }
        });
        let mut runs: Vec<&TuningRunFacts> = ledger.runs.values().collect();
        runs.sort_by(|one, other| (other.started_at, &other.cycle).cmp(&(one.started_at, &one.cycle)));
        let record = |run: &&TuningRunFacts| TuningRunRecord {
            cycle: run.cycle.clone(),
            started_at: run.started_at,
            ended_at: run.ended_at,
        };
        Self {
            nights: nights.collect(),
            runs: runs.iter().take(RUNS_MAX).map(record).collect(),
            cooldown_until: None,
            consumed: ledger.consumed.iter().take(CONSUMED_MAX).map(ToString::to_string).collect(),
        }
    }

    /// The ledger as the core reckons with it, its nights in the zone of the windows.
    pub fn to_core(&self, zone: &Zone) -> core::Ledger {
        let mut nights: BTreeMap<NightId, BTreeMap<u32, FoldedCanary>> = BTreeMap::new();
        for row in self.nights.iter().filter(|row| !row.folded.is_empty()) {
            let Some(night) = night_id(&row.night, zone) else { continue };
            let folded = row.folded.iter().filter_map(|folded| {
                let canary = FoldedCanary { reserved: folded.reserved.into(), used: folded.used.into() };
                Some((u32::try_from(folded.attempt).ok()?, canary))
            });
            nights.entry(night).or_default().extend(folded);
        }
        let runs = self.runs.iter().map(|run| {
            let TuningRunRecord { cycle, started_at, ended_at } = run.clone();
            (cycle.clone(), TuningRunFacts { cycle, started_at, ended_at })
        });
        let consumed: BTreeSet<Uid> = self.consumed.iter().map(|uid| Uid::new(uid.clone())).collect();
        core::Ledger { nights, consumed, runs: runs.collect() }
    }
}

/// The night of a date as text.
pub fn night_id(date: &str, zone: &Zone) -> Option<NightId> {
    Some(NightId { date: date.parse::<Date>().ok()?, zone: zone.clone() })
}

#[cfg(test)]
mod tests {
    use proptest::{collection, option, prelude::*};

    use super::*;

    fn spend() -> impl Strategy<Value = Spend> {
        (0_i64..100_000, 0_i64..10_000_000).prop_map(|(measure, hold)| Spend {
            measure: SignedDuration::from_millis(measure),
            hold: SignedDuration::from_millis(hold),
        })
    }

    prop_compose! {
        fn ledger()(
            nights in collection::btree_map(
                0_i32..300, collection::btree_map(0_u32..20, (spend(), spend()), 1..8), 0..20),
            consumed in collection::btree_set("[a-f0-9-]{36}", 0..50),
            runs in collection::btree_map(
                "[a-z0-9]{1,9}", (0_i64..1_000_000, option::of(0_i64..1_000_000)), 0..9),
        ) -> core::Ledger {
            let night = |day: i32| NightId {
                date: jiff::civil::date(2026, 1, 1).checked_add(jiff::Span::new().days(day)).unwrap(),
                zone: Zone::named("Europe/Berlin").unwrap(),
            };
            let at = |second: i64| Timestamp::from_second(second).unwrap();
            core::Ledger {
                nights: nights
                    .into_iter()
                    .map(|(day, folded)| {
                        let folded = folded.into_iter().map(|(attempt, (reserved, used))| {
                            (attempt, FoldedCanary { reserved, used })
                        });
                        (night(day), folded.collect())
                    })
                    .collect(),
                consumed: consumed.into_iter().map(Uid::new).collect(),
                runs: runs
                    .into_iter()
                    .map(|(cycle, (start, end))| {
                        let run =
                            TuningRunFacts { cycle: cycle.clone(), started_at: at(start), ended_at: end.map(at) };
                        (cycle, run)
                    })
                    .collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_ledger_reads_back_without_loss(ledger in ledger()) {
            let written = serde_json::to_value(Ledger::of(&ledger, |_| (Spend::ZERO, Spend::ZERO))).unwrap();
            let read: Ledger = serde_json::from_value(written).unwrap();
            prop_assert_eq!(read.to_core(&Zone::named("Europe/Berlin").unwrap()), ledger);
        }

        #[test]
        fn what_is_written_never_says_less_than_what_was_spent(nanos in 0_i64..10_000_000_000) {
            let spent = SignedDuration::from_nanos(nanos);
            let written = rounded_up(spent);
            prop_assert!(written >= spent && written.as_nanos() - spent.as_nanos() < 1_000_000);
        }
    }

    #[test]
    fn another_zone_makes_no_second_night_of_a_date() {
        let mut ledger = core::Ledger::default();
        let utc = night_id("2026-03-04", &Zone::utc()).unwrap();
        let one = FoldedCanary { reserved: Spend::ZERO, used: Spend::ZERO };
        ledger.nights.insert(utc, [(0, one)].into());
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let read = Ledger::of(&ledger, |_| (Spend::ZERO, Spend::ZERO)).to_core(&berlin);
        assert!(read.holds(&night_id("2026-03-04", &berlin).unwrap(), 0));
    }
}
