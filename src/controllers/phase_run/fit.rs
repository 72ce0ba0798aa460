//! Keeping a status small. An object may have 1.5 MB on an API server, and a namespace keeps a month of runs: 100 kB for
//! one run is the bound, whatever it measured.

use crate::api::phase_run::status::{DomainStatus, PhaseRunStatus};

/// Bytes of a status without its chain of transitions, which has at most six records of one line, and without conditions of
/// other programs.
pub(super) const STATUS_BYTES_MAX: usize = 80_000;

/// What is given up, in this order, until the status fits. What a later judgement rests on (figures, counts, kinds of
/// failures, what the engine was started with) is never among it, but for arguments too long for anything to be tuned to.
const STEPS: [fn(&mut PhaseRunStatus); 8] = [
    |status| each_row(status, |row| row.baseline.iter_mut().for_each(|baseline| baseline.left_out.truncate(4))),
    |status| each_row(status, |row| shorten(&mut row.messages, 4, 240)),
    |status| status.symptoms.iter_mut().for_each(|symptom| shorten(&mut symptom.evidence, 4, 240)),
    |status| each_row(status, |row| row.measured.iter_mut().for_each(|measured| shorten(&mut measured.notes, 4, 120))),
    |status| {
        status.changed_since_baseline.truncate(16);
        for change in &mut status.changed_since_baseline {
            for value in [&mut change.from, &mut change.to].into_iter().flatten() {
                cut(value, 64);
            }
        }
    },
    |status| {
        each_row(status, |row| {
            shorten(&mut row.messages, 2, 120);
            if let Some(baseline) = &mut row.baseline {
                baseline.runs.truncate(8);
                baseline.left_out.clear();
            }
            if let Some(measured) = &mut row.measured {
                measured.notes.clear();
                for failure in &mut measured.engine.failures {
                    cut(&mut failure.message, 80);
                }
            }
        });
        status.symptoms.iter_mut().for_each(|symptom| shorten(&mut symptom.evidence, 1, 120));
    },
    |status| {
        status.symptoms.iter_mut().for_each(|symptom| symptom.evidence.clear());
        each_row(status, |row| row.deltas.retain(|delta| delta.severity.is_some()));
    },
    |status| {
        if let Some(environment) = &mut status.environment {
            environment.configuration.retain(|_, value| value.len() <= 64);
        }
        each_row(status, |row| {
            shorten(&mut row.messages, 1, 120);
            let failures = row.measured.iter_mut().flat_map(|measured| &mut measured.engine.failures);
            failures.for_each(|failure| cut(&mut failure.message, 40));
        });
    },
];

/// Gives up texts until the status fits.
pub(super) fn fit(status: &mut PhaseRunStatus) {
    for step in STEPS {
        if bytes_of(status) <= STATUS_BYTES_MAX {
            return;
        }
        step(status);
    }
}

fn bytes_of(status: &PhaseRunStatus) -> usize {
    let without_history = PhaseRunStatus { history: None, ..status.clone() };
    serde_json::to_vec(&without_history).map_or(0, |bytes| bytes.len())
}

fn each_row(status: &mut PhaseRunStatus, change: impl Fn(&mut DomainStatus)) {
    status.domains.iter_mut().for_each(change);
}

fn shorten(sentences: &mut Vec<String>, count_max: usize, bytes_max: usize) {
    sentences.truncate(count_max);
    for sentence in sentences {
        cut(sentence, bytes_max);
    }
}

/// Cuts a text to so many bytes, between two characters.
fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}
