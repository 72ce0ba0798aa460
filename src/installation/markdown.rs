//! The table of rights for people.

use std::fmt::Write as _;

use super::rights::{Rights, Rule};

const HEAD: &str = "# Rights

Generated from `charts/phaseloop/files/rights.yaml`: `UPDATE=1 cargo test --test chart`. The chart's roles are made of that
file, and `phaseloop check installation` asks the API server for each of the operator's. No wildcard, no Secret, no exec, no
RBAC. A test runs whole stories on the simulated cluster and holds every request of the operator against this table; what no
story asks for is listed with its reason in `tests/chart/unasked.yaml`.
";

/// The table of rights as a page.
pub fn rights_markdown(rights: &Rights) -> String {
    let mut text = HEAD.to_owned();
    let parts = [
        ("The operator, in each namespace that it works in", &rights.operator),
        ("The operator, in its own namespace", &rights.lease),
        (
            "The operator, in all namespaces (`rights.ownKindsEverywhere`, where it works in named ones)",
            &rights.own_kinds,
        ),
        (
            "The hook before uninstalling, in each namespace that the operator works in, beside the operator's own",
            &rights.leaving,
        ),
        ("The hook before uninstalling, in the operator's namespace", &rights.leaving_operator),
    ];
    for (title, rules) in parts {
        // A String takes whatever is written to it.
        let _ = write!(text, "\n## {title}\n\n| resources | verbs | for |\n| --- | --- | --- |\n");
        for rule in rules {
            let _ = writeln!(text, "| {} | {} | {} |", resources(rule), rule.verbs.join(", "), rule.why);
        }
    }
    text
}

fn resources(rule: &Rule) -> String {
    let group = rule.api_groups.join(", ");
    let group = if group.is_empty() { String::new() } else { format!(" ({group})") };
    let names = match &rule.resource_names {
        None => String::new(),
        Some(names) if names.is_empty() => ", the release's alone".to_owned(),
        Some(names) => format!(", `{}` alone", names.join("`, `")),
    };
    format!("`{}`{group}{names}", rule.resources.join("`, `"))
}
