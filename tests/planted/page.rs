//! The table of planted bugs in the page of the oracles.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use crate::{BUGS, bug::Bug};

/// What the table stands below.
const MARK: &str = "<!-- Below: UPDATE=1 cargo test --test planted -->\n";

fn table() -> String {
    let mut by_invariant: BTreeMap<(u32, &str), Vec<&Bug>> = BTreeMap::new();
    for (_, bug) in BUGS {
        let number = bug.invariant.trim_start_matches('i').split('_').next().unwrap().parse().unwrap();
        by_invariant.entry((number, bug.invariant)).or_default().push(bug);
    }
    let mut table = "\n| invariant | an operator that |\n| --- | --- |\n".to_owned();
    for ((_, invariant), bugs) in by_invariant {
        for bug in bugs {
            writeln!(table, "| `{invariant}` | {} |", bug.does).unwrap();
        }
    }
    table
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the switch that writes the page anew is an environment variable")]
fn the_page_of_the_oracles_lists_every_planted_bug() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/oracles.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, listed) = page.split_once(MARK).unwrap();
    if env::var("UPDATE").is_ok_and(|value| value == "1") {
        fs::write(&path, format!("{before}{MARK}{}", table())).unwrap();
        return;
    }
    assert_eq!(listed, table(), "run UPDATE=1 cargo test --test planted");
}
