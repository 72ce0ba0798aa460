//! Whether what came is what a scenario expects.

use super::Answer;
use crate::simulation::scenario::{Expectation, ExpectedNight};

/// What was expected and did not come, each in a sentence.
pub fn unmet(expectation: &Expectation, answer: &Answer) -> Vec<String> {
    let mut unmet = Vec::new();
    for night in &expectation.nights {
        unmet.extend(unmet_of_night(night, answer));
    }
    let mut differ = |what: &str, wanted: String, came: String| {
        if wanted != came {
            unmet.push(format!("{what}: expected {wanted}, came {came}"));
        }
    };
    if let Some(promotions) = &expectation.promotions {
        let wanted: Vec<String> = promotions
            .iter()
            .map(|one| format!("night {} {} {:?}", one.night, one.change.as_deref().unwrap_or("*"), one.phase))
            .collect();
        let came = answer.promotions.iter().enumerate().map(|(index, one)| {
            let any = promotions.get(index).is_some_and(|wanted| wanted.change.is_none());
            format!("night {} {} {}", one.night, if any { "*" } else { &one.parameters }, one.phase)
        });
        differ("promotions", wanted.join(", "), came.collect::<Vec<_>>().join(", "));
    }
    if let Some(canaries) = expectation.canaries {
        differ("canaries", canaries.to_string(), answer.canaries.len().to_string());
    }
    if let Some(denied) = expectation.denied {
        differ("denied candidates", denied.to_string(), answer.denied.to_string());
    }
    if let Some(refused) = expectation.refused_decisions {
        differ("refused decisions", refused.to_string(), answer.refused_decisions.to_string());
    }
    for flag in expectation.engine_flags.iter().flatten() {
        for (target, flags) in &answer.engine_flags {
            let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".to_owned());
            differ(&format!("{} of {target}", flag.flag), text(flag.value.as_ref()), text(flags.get(&flag.flag)));
        }
    }
    unmet
}

fn unmet_of_night(wanted: &ExpectedNight, answer: &Answer) -> Vec<String> {
    let position = usize::try_from(wanted.run.saturating_sub(1)).unwrap_or(0);
    let number = if position == 0 { wanted.night.to_string() } else { format!("{} run {}", wanted.night, wanted.run) };
    let Some(night) = answer.nights.iter().filter(|night| night.night == wanted.night).nth(position) else {
        return vec![format!("night {number}: expected a run, came none")];
    };
    let mut unmet = Vec::new();
    let mut differ = |what: &str, wanted: String, came: String| {
        if wanted != came {
            unmet.push(format!("night {number}, {what}: expected {wanted}, came {came}"));
        }
    };
    if let Some(verdict) = wanted.verdict {
        differ("verdict", verdict.to_string(), night.verdict.map(|came| came.to_string()).unwrap_or_default());
    }
    let joined = |mut texts: Vec<String>| {
        texts.sort();
        texts.dedup();
        texts.join(" ")
    };
    if let Some(symptoms) = &wanted.symptoms {
        let came = night.symptoms.iter().map(|symptom| symptom.kind.to_string()).collect();
        differ("symptoms", joined(symptoms.iter().map(ToString::to_string).collect()), joined(came));
    }
    if let Some(domains) = &wanted.degraded_domains {
        let came = night.symptoms.iter().map(|symptom| symptom.domain.clone()).collect();
        differ("degraded domains", joined(domains.clone()), joined(came));
    }
    for flag in &wanted.flags {
        let came = night.flags.iter().find(|came| came.symptom == flag.symptom);
        let states = came.map_or_else(|| vec!["Idle".to_owned()], |came| came.states.clone());
        let state = format!("{:?}", flag.state);
        if !states.contains(&state) {
            differ(&format!("flag {}", flag.symptom), state, states.join(" "));
        }
        if let Some(count) = flag.count {
            differ(
                &format!("count of {}", flag.symptom),
                count.to_string(),
                came.map_or(0, |came| came.count).to_string(),
            );
        }
    }
    if let Some(candidates) = wanted.candidates {
        let came =
            answer.canaries.iter().filter(|canary| canary.run == night.run && canary.role == "Candidate").count();
        differ("candidates", candidates.to_string(), came.to_string());
    }
    let tuning = night.tuning.as_ref();
    if let Some(winner) = &wanted.winner {
        let came = tuning.and_then(|tuning| tuning.winner.clone()).unwrap_or_default();
        differ("winner", winner.clone(), came);
    }
    if let Some(reason) = &wanted.tuning_ended {
        let came = tuning.map(|tuning| tuning.reason.clone()).unwrap_or_default();
        differ("end of tuning", reason.clone(), came);
    }
    unmet
}

#[cfg(test)]
#[path = "expected_tests.rs"]
mod tests;
