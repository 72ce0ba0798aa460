//! What the operator may do: `charts/phaseloop/files/rights.yaml`, the one source of its roles.

use serde::Deserialize;

use crate::yaml::{FileFaults, read_documents};

/// Where the table stands.
const FILE: &str = "charts/phaseloop/files/rights.yaml";
const TEXT: &str = include_str!("../../charts/phaseloop/files/rights.yaml");

/// The rules by whom and where they are for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rights {
    /// The operator's in each namespace that it works in.
    pub operator: Vec<Rule>,
    /// The operator's in its own namespace.
    pub lease: Vec<Rule>,
    /// The operator's in all namespaces where it works in named ones.
    pub own_kinds: Vec<Rule>,
    /// Those of the hook before the chart is uninstalled, in each namespace that the operator works in.
    pub leaving: Vec<Rule>,
    /// Those of the same hook in the operator's own namespace.
    pub leaving_operator: Vec<Rule>,
}

/// A rule of a role, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// What it is for.
    pub why: String,
    /// Groups; the core group is empty.
    pub api_groups: Vec<String>,
    /// Resources in the plural, with their subresource: `promotions/status`.
    pub resources: Vec<String>,
    /// Names it is bound to; absent: every object. Empty where the chart puts a name in.
    pub resource_names: Option<Vec<String>>,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// One thing that may be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Right {
    /// Group; the core group is empty.
    pub group: String,
    /// Resource in the plural, with its subresource.
    pub resource: String,
    /// Verb.
    pub verb: String,
    /// Name of the one object; empty: of any.
    pub name: String,
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, " of {}", self.group)?;
        }
        if self.name.is_empty() { Ok(()) } else { write!(f, " named {}", self.name) }
    }
}

impl Rule {
    /// Each right that it gives; where the chart puts a name in, it is this one.
    pub fn rights(&self, chart_name: &str) -> Vec<Right> {
        let names = match &self.resource_names {
            None => vec![String::new()],
            Some(names) if names.is_empty() => vec![chart_name.to_owned()],
            Some(names) => names.clone(),
        };
        let mut rights = Vec::new();
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    rights.extend(names.iter().map(|name| Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
        rights
    }
}

/// Every right of some rules, each once, in order.
pub fn rights_of(rules: &[Rule], chart_name: &str) -> Vec<Right> {
    let mut rights: Vec<Right> = rules.iter().flat_map(|rule| rule.rights(chart_name)).collect();
    rights.sort();
    rights.dedup();
    rights
}

/// The table.
///
/// # Errors
/// Where it is malformed, which a test excludes.
pub fn rights() -> Result<Rights, FileFaults> {
    let documents = read_documents(FILE, TEXT)?;
    let Some(document) = documents.into_iter().next() else { return Err(FileFaults(Vec::new())) };
    let value = document.value.clone();
    serde_json::from_value(value).map_err(|error| document.fault("", error.to_string(), None).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_each_rule_says_what_it_is_for() {
        let rights = rights().unwrap();
        let all = [&rights.operator, &rights.lease, &rights.own_kinds, &rights.leaving, &rights.leaving_operator];
        for rule in all.into_iter().flatten() {
            assert!(!rule.why.is_empty() && !rule.verbs.is_empty() && !rule.resources.is_empty(), "{rule:?}");
        }
    }

    #[test]
    fn a_rule_gives_each_verb_on_each_resource_and_the_chart_s_name_where_one_is_wanted() {
        let rule = |names: Option<Vec<String>>| Rule {
            why: "w".into(),
            api_groups: vec!["g".into()],
            resources: vec!["a".into(), "b/status".into()],
            resource_names: names,
            verbs: vec!["get".into(), "list".into()],
        };
        let told = |rule: &Rule| rule.rights("x").iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told(&rule(None)), ["get a of g", "list a of g", "get b/status of g", "list b/status of g"]);
        assert_eq!(told(&rule(Some(vec![])))[0], "get a of g named x");
        assert_eq!(told(&rule(Some(vec!["y".into()])))[0], "get a of g named y");
    }
}
