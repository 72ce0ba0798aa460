//! `phaseloop crds`.

use anyhow::bail;
use phaseloop_core::value::nearest_name;

use super::output::print_text;
use crate::{
    api::crds::{all_crds, crds_yaml},
    args::CrdsArguments,
    exit::Exit,
    yaml,
};

pub(super) fn run(arguments: &CrdsArguments) -> anyhow::Result<Exit> {
    let Some(wanted) = &arguments.kind else {
        print_text(&crds_yaml()?)?;
        return Ok(Exit::Success);
    };
    let crds = all_crds();
    let Some(crd) = crds.iter().find(|crd| crd.spec.names.kind.eq_ignore_ascii_case(wanted)) else {
        let kinds: Vec<&str> = crds.iter().map(|crd| crd.spec.names.kind.as_str()).collect();
        let nearest = nearest_name(wanted, kinds.iter().copied());
        let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
        bail!("{wanted:?} is none of our kinds{hint}\n  remedy: name one of {}", kinds.join(", "));
    };
    print_text(&yaml::to_text(crd)?)?;
    Ok(Exit::Success)
}
