//! `phaseloop probe`.

use super::pod::block_on;
use crate::{
    args::ProbeArguments,
    exit::Exit,
    probe::{ProbeRequest, probe},
};

pub(super) fn run(ProbeArguments { pod, engine_key }: &ProbeArguments) -> anyhow::Result<Exit> {
    let request = ProbeRequest::read(&pod.request(ProbeRequest::COMMAND));
    block_on(probe(request, engine_key.as_deref(), &pod.message))
}
