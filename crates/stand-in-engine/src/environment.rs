//! The variables that switch faults on and set the machine. Each name is a constant; its documentation is the reference.

use std::{collections::BTreeMap, ops::Range, str::FromStr, time::Duration};

/// Seconds from the first lines to the running server, besides the milliseconds that it really takes. 0.
pub const START_SECONDS: &str = "STAND_IN_START_SECONDS";
/// `1`: it prints its first lines and then nothing, as an engine that waits for a lock or a card.
pub const START_HANGS: &str = "STAND_IN_START_HANGS";
/// Memory of the machine, GiB. 14.59, as on the recorded one.
pub const MEMORY_GIB: &str = "STAND_IN_MEMORY_GIB";
/// What an engine needs besides its cache, GiB. 1.03, as recorded.
pub const OTHER_GIB: &str = "STAND_IN_OTHER_GIB";
/// Above this share of memory the first step with [`OUT_OF_MEMORY_SEQUENCES`] sequences is the engine's death.
pub const OUT_OF_MEMORY_ABOVE_UTILIZATION: &str = "STAND_IN_OUT_OF_MEMORY_ABOVE_UTILIZATION";
/// Sequences in one step that make up the load of [`OUT_OF_MEMORY_ABOVE_UTILIZATION`]. 2.
pub const OUT_OF_MEMORY_SEQUENCES: &str = "STAND_IN_OUT_OF_MEMORY_SEQUENCES";
/// Out of memory in the first step after so many requests have arrived, whatever the share.
pub const OUT_OF_MEMORY_AFTER_REQUESTS: &str = "STAND_IN_OUT_OF_MEMORY_AFTER_REQUESTS";
/// The engine core is gone after so many requests have arrived, without a word of why, as after a SIGKILL.
pub const DIES_AFTER_REQUESTS: &str = "STAND_IN_DIES_AFTER_REQUESTS";
/// Seconds from an engine's death to its server's end, in which `/health` answers 503: what is left of the period of vLLM's
/// watchdog, 0 to 5. 0.2.
pub const DEATH_LASTS_SECONDS: &str = "STAND_IN_DEATH_LASTS_SECONDS";
/// `1`: SIGTERM changes nothing.
pub const IGNORES_SIGTERM: &str = "STAND_IN_IGNORES_SIGTERM";
/// `FROM..TO`: the requests with these numbers, the first being 0, are answered 503 as from an overload.
pub const UNAVAILABLE_REQUESTS: &str = "STAND_IN_UNAVAILABLE_REQUESTS";
/// By how much each step takes longer; 0.1 makes it ten times as fast. 1.
pub const STEP_FACTOR: &str = "STAND_IN_STEP_FACTOR";
/// After so many requests no step ends any more; `/health` still answers 200.
pub const HANGS_AFTER_REQUESTS: &str = "STAND_IN_HANGS_AFTER_REQUESTS";
/// vLLM's own: `1` keeps the server up after its engine died.
pub const KEEP_ALIVE: &str = "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH";

/// What all our names begin with.
const PREFIX: &str = "STAND_IN_";

/// What the environment says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Environment {
    pub(crate) start: Duration,
    pub(crate) start_hangs: bool,
    pub(crate) memory_gib: f64,
    pub(crate) other_gib: f64,
    pub(crate) out_of_memory_above: Option<f64>,
    pub(crate) out_of_memory_sequences: u64,
    pub(crate) out_of_memory_after: Option<u64>,
    pub(crate) dies_after: Option<u64>,
    pub(crate) death_lasts: Duration,
    pub(crate) ignores_sigterm: bool,
    pub(crate) unavailable: Range<u64>,
    pub(crate) step_factor: f64,
    pub(crate) hangs_after: Option<u64>,
    pub(crate) keeps_alive: bool,
}

impl Environment {
    /// Reads the variables; others' are not looked at.
    pub(crate) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let is_ours = |name: &str| (name.starts_with(PREFIX) && !is_service_link(name)) || name == KEEP_ALIVE;
        let mut left: BTreeMap<String, String> = variables.into_iter().filter(|(name, _)| is_ours(name)).collect();
        let environment = Self {
            start: seconds(&mut left, START_SECONDS, 0.0)?,
            start_hangs: is_on(&mut left, START_HANGS)?,
            memory_gib: positive(&mut left, MEMORY_GIB)?.unwrap_or(14.59),
            other_gib: positive(&mut left, OTHER_GIB)?.unwrap_or(1.03),
            out_of_memory_above: positive(&mut left, OUT_OF_MEMORY_ABOVE_UTILIZATION)?,
            out_of_memory_sequences: taken(&mut left, OUT_OF_MEMORY_SEQUENCES)?.unwrap_or(2),
            out_of_memory_after: taken(&mut left, OUT_OF_MEMORY_AFTER_REQUESTS)?,
            dies_after: taken(&mut left, DIES_AFTER_REQUESTS)?,
            death_lasts: seconds(&mut left, DEATH_LASTS_SECONDS, 0.2)?,
            ignores_sigterm: is_on(&mut left, IGNORES_SIGTERM)?,
            unavailable: range(&mut left, UNAVAILABLE_REQUESTS)?,
            step_factor: positive(&mut left, STEP_FACTOR)?.unwrap_or(1.0),
            hangs_after: taken(&mut left, HANGS_AFTER_REQUESTS)?,
            keeps_alive: is_on(&mut left, KEEP_ALIVE)?,
        };
        match left.keys().next() {
            None => Ok(environment),
            Some(name) => Err(format!("{name} is no variable of the stand-in")),
        }
    }
}

/// What a kubelet puts into a container's environment for a Service that happens to be called `stand-in...`.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_") || name.contains("_PORT_") || name.ends_with("_PORT")
}

type Left = BTreeMap<String, String>;

fn invalid(name: &str, value: &str, wanted: &str) -> String {
    format!("{name}={value}: {wanted} is wanted")
}

fn taken<T: FromStr>(left: &mut Left, name: &str) -> Result<Option<T>, String> {
    let Some(value) = left.remove(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| invalid(name, &value, "a number"))
}

fn positive(left: &mut Left, name: &str) -> Result<Option<f64>, String> {
    let number: Option<f64> = taken(left, name)?;
    match number {
        Some(number) if !(number > 0.0 && number.is_finite()) => {
            Err(invalid(name, &number.to_string(), "a number above 0"))
        }
        other => Ok(other),
    }
}

fn seconds(left: &mut Left, name: &str, default: f64) -> Result<Duration, String> {
    let seconds = taken(left, name)?.unwrap_or(default);
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid(name, &seconds.to_string(), "a number of seconds"))
}

fn is_on(left: &mut Left, name: &str) -> Result<bool, String> {
    match left.remove(name).as_deref() {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(other) => Err(invalid(name, other, "0 or 1")),
    }
}

fn range(left: &mut Left, name: &str) -> Result<Range<u64>, String> {
    let Some(value) = left.remove(name) else { return Ok(0..0) };
    let ends = value.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| invalid(name, &value, "FROM..TO"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn faults_are_off_by_default_and_on_by_their_variables() {
        let none = read(&[("PATH", "/bin")]).unwrap();
        assert_eq!((none.out_of_memory_above, none.dies_after, none.unavailable.clone()), (None, None, 0..0));
        assert!(!none.start_hangs && !none.ignores_sigterm);
        let some = read(&[
            (START_SECONDS, "2.5"),
            (OUT_OF_MEMORY_ABOVE_UTILIZATION, "0.75"),
            (UNAVAILABLE_REQUESTS, "10..20"),
            (IGNORES_SIGTERM, "1"),
        ])
        .unwrap();
        assert_eq!((some.start, some.out_of_memory_above), (Duration::from_millis(2_500), Some(0.75)));
        assert_eq!((some.unavailable, some.ignores_sigterm), (10..20, true));
    }

    #[test]
    fn a_misspelt_fault_is_an_error_that_names_it() {
        assert_eq!(
            read(&[("STAND_IN_DIES_AFTER", "3")]).unwrap_err(),
            "STAND_IN_DIES_AFTER is no variable of the stand-in"
        );
        let links =
            ["STAND_IN_SERVICE_HOST", "STAND_IN_ENGINE_SERVICE_PORT", "STAND_IN_PORT", "STAND_IN_PORT_80_TCP_ADDR"];
        assert!(read(&links.map(|name| (name, "198.18.0.1"))).is_ok(), "a kubelet's variables are no misspelt fault");
        for (name, value) in [
            (DIES_AFTER_REQUESTS, "soon"),
            (STEP_FACTOR, "0"),
            (START_SECONDS, "-1"),
            (START_HANGS, "yes"),
            (UNAVAILABLE_REQUESTS, "10"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert!(error.contains(name) && error.contains("wanted"), "{error}");
        }
    }
}
