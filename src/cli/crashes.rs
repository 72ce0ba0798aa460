//! `phaseloop simulate --crashes`.

use std::io::{self, IsTerminal as _, Write as _};

use super::{output::print, text::crashes_text};
use crate::{
    args::SimulateArguments,
    exit::Exit,
    simulation::{
        crash::{CrashReport, SurveyTerms, survey},
        scenario::ScenarioFile,
    },
};

/// Disturbs the story at all its points and says what came of it.
pub(super) fn run(arguments: &SimulateArguments, file: &ScenarioFile) -> anyhow::Result<Exit> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let stride = usize::try_from(arguments.every)?;
    let watched = io::stderr().is_terminal();
    #[allow(clippy::disallowed_methods, reason = "wallSeconds is the one figure that the machine's clock gives")]
    let began = std::time::Instant::now();
    let report = survey(file, SurveyTerms { threads, stride }, |done, all, differ| {
        if watched {
            let _ = write!(io::stderr(), "\rhistory {done} of {all}, {differ} differ\x1b[K");
        }
    })?;
    if watched {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let report = CrashReport { wall_seconds: began.elapsed().as_secs_f64(), ..report };
    print(&report, crashes_text, arguments.output)?;
    Ok(if report.is_quiet() { Exit::Success } else { Exit::Degraded })
}
