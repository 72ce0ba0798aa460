//! `phaseloop guard`.

use super::pod::{block_on, refuse_words};
use crate::{
    args::PodArguments,
    exit::Exit,
    probe::{GuardRequest, guard},
};

pub(super) fn run(arguments: &PodArguments) -> anyhow::Result<Exit> {
    match GuardRequest::read(&arguments.request(GuardRequest::COMMAND)) {
        Ok(request) => block_on(guard(&request, &arguments.message)),
        Err(error) => Ok(refuse_words(&error, &arguments.message)),
    }
}
