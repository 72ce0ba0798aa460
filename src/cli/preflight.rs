//! `phaseloop preflight`.

use super::pod::refuse_words;
use crate::{
    args::PodArguments,
    cluster::clock::{Clock as _, SystemClock},
    exit::Exit,
    probe::{PreflightRequest, preflight},
};

pub(super) fn run(arguments: &PodArguments) -> anyhow::Result<Exit> {
    match PreflightRequest::read(&arguments.request(PreflightRequest::COMMAND)) {
        Ok(request) => preflight(&request, SystemClock.now(), &std::env::current_exe()?, &arguments.message),
        Err(error) => Ok(refuse_words(&error, &arguments.message)),
    }
}
