//! `phaseloop collect`.

use super::pod::{block_on, refuse_words};
use crate::{
    args::PodArguments,
    exit::Exit,
    probe::{CollectRequest, collect},
};

pub(super) fn run(arguments: &PodArguments) -> anyhow::Result<Exit> {
    match CollectRequest::read(&arguments.request(CollectRequest::COMMAND)) {
        Ok(request) => block_on(collect(&request, &arguments.message)),
        Err(error) => Ok(refuse_words(&error, &arguments.message)),
    }
}
