//! The file that `--policy` names: objects of ours, as they would be applied.

use std::{fs, path::Path};

use phaseloop_core::{
    policy::Suspension,
    schedule::{Schedule, Zone},
    value::TargetReference,
};

use super::input::read_text;
use crate::{
    administrator::{AdministratorPolicy, read_policy_document},
    api::{
        Escalation, PhaseSchedule,
        read::{kind_of, read_object},
    },
    replay::ReplaySettings,
    validate::{ScheduleContext, SpecFault, analysis_settings, cycle_policy, phase_schedule},
    yaml::{Document, FileFault, FileFaults, read_documents},
};

/// Largest policy file: our largest object may have 1.5 MiB, and a file holds three.
const POLICY_BYTES_MAX: u64 = 5 * 1024 * 1024;

/// What a policy file holds.
#[derive(Debug)]
pub(super) struct PolicyFile {
    path: String,
    escalation: Option<(Escalation, Document)>,
    schedule: Option<(PhaseSchedule, Document)>,
    administrator: Option<AdministratorPolicy>,
}

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Every fault, with file, line, column and field.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let size = fs::metadata(path).map_or(0, |facts| facts.len());
        anyhow::ensure!(size <= POLICY_BYTES_MAX, "{name}: has {size} bytes; a policy has at most {POLICY_BYTES_MAX}");
        let text = read_text(path)?;
        Ok(Self::from_text(&name, &text)?)
    }

    fn from_text(name: &str, text: &str) -> Result<Self, FileFaults> {
        let mut file = Self { path: name.to_owned(), escalation: None, schedule: None, administrator: None };
        for document in read_documents(name, text)? {
            if let Some(policy) = read_policy_document(&document, text) {
                if file.administrator.replace(policy?).is_some() {
                    return Err(second(&document).into());
                }
                continue;
            }
            let twice = match kind_of(&document) {
                "Escalation" => {
                    let object = read_object(&document)?;
                    file.escalation.replace((object, document.clone())).is_some()
                }
                "PhaseSchedule" => {
                    let object = read_object(&document)?;
                    file.schedule.replace((object, document.clone())).is_some()
                }
                other => {
                    let problem = format!("{other:?} is no kind of a policy file");
                    let remedy = "a policy file holds one Escalation, and if you like a PhaseSchedule and the ConfigMap phaseloop-policy";
                    return Err(document.fault("kind", problem, Some(remedy.to_owned())).into());
                }
            };
            if twice {
                return Err(second(&document).into());
            }
        }
        Ok(file)
    }

    /// The settings of a replay.
    ///
    /// # Errors
    /// Every fault in the objects, or that there is no Escalation.
    pub(super) fn replay_settings(&self) -> anyhow::Result<ReplaySettings> {
        let Some((escalation, document)) = &self.escalation else {
            anyhow::bail!("{}: holds no Escalation\n  remedy: add one; targetRef alone is enough", self.path);
        };
        let defaults = ReplaySettings::defaults()?;
        let context = self.schedule_context(&defaults)?;
        let mut faults = Vec::new();
        let policy = cycle_policy(&escalation.spec, context, self.administrator.as_ref(), &mut faults);
        refuse(document, faults)?;
        let analysis = self.schedule.as_ref().map(|(schedule, _)| analysis_settings(&schedule.spec.run));
        Ok(ReplaySettings {
            origin: self.path.clone(),
            target: TargetReference::from(&escalation.spec.target_ref).to_string(),
            policy,
            analysis: analysis.unwrap_or(defaults.analysis),
            suspension: escalation
                .spec
                .suspend
                .as_ref()
                .map(|suspend| Suspension { reason: suspend.reason.clone(), until: suspend.until }),
            counts: self.schedule.as_ref().is_none_or(|(schedule, _)| schedule.spec.run.counts),
        })
    }

    /// The settings of a single analysis: those of the PhaseSchedule, if there is one.
    ///
    /// # Errors
    /// Every fault in the PhaseSchedule.
    pub(super) fn analysis_settings(&self) -> anyhow::Result<phaseloop_core::analysis::settings::AnalysisSettings> {
        let defaults = ReplaySettings::defaults()?;
        self.schedule_context(&defaults)?;
        Ok(self.schedule.as_ref().map_or(defaults.analysis, |(schedule, _)| analysis_settings(&schedule.spec.run)))
    }

    fn schedule_context(&self, defaults: &ReplaySettings) -> anyhow::Result<ScheduleContext> {
        let default = ScheduleContext {
            schedule: Schedule { cron: defaults.policy.schedule.cron.clone(), zone: Zone::utc() },
            run_timeout: defaults.policy.run_timeout,
        };
        let Some((schedule, document)) = &self.schedule else { return Ok(default) };
        let mut faults = Vec::new();
        let valid = phase_schedule(&schedule.spec, &mut faults);
        refuse(document, faults)?;
        Ok(valid.map_or(default, |valid| ScheduleContext {
            schedule: valid,
            run_timeout: schedule.spec.run.timeout.into(),
        }))
    }
}

fn second(document: &Document) -> FileFault {
    document.fault("kind", format!("a second {}", kind_of(document)), Some("keep one of the two".to_owned()))
}

fn refuse(document: &Document, faults: Vec<SpecFault>) -> Result<(), FileFaults> {
    let place = |fault: SpecFault| document.fault(&fault.path, fault.problem, fault.remedy);
    let mut placed: Vec<FileFault> = faults.into_iter().map(place).collect();
    placed.sort_by_key(|fault| fault.position);
    if placed.is_empty() { Ok(()) } else { Err(FileFaults(placed)) }
}
