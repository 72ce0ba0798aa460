//! What can be said when everything else has been done: what the operator asked for, and what it was refused.

use std::collections::BTreeSet;

use phaseloop::installation::rights;

use crate::{audit::requests, support::cluster};

/// A verb and what it was about, as in a Role.
type Asked = (String, String);

/// What the shipped rights allow an operator that works; leaving is another's business.
fn shipped() -> BTreeSet<Asked> {
    let rights = rights().unwrap();
    let rules = [rights.operator, rights.lease, rights.own_kinds].concat();
    rules
        .iter()
        .flat_map(|rule| rule.resources.iter().flat_map(|resource| rule.verbs.iter().map(move |verb| (verb, resource))))
        .map(|(verb, resource)| (verb.clone(), resource.clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_was_refused_nothing_and_what_it_never_used_is_listed() {
    if cluster().await.is_none() {
        return;
    }
    let all = requests(|_| true);
    let used: BTreeSet<Asked> = all.iter().map(|asking| (asking.verb.clone(), asking.resource.clone())).collect();
    assert!(used.len() > 10, "the operator was at work: {used:?}");
    println!("{} requests of the operator in {} ways", all.len(), used.len());
    let unused: Vec<String> =
        shipped().difference(&used).map(|(verb, resource)| format!("{verb} {resource}")).collect();
    println!("allowed, and used by nobody: {}", unused.join(", "));
    let refused: BTreeSet<_> = all.into_iter().filter(|asking| asking.is_refused).collect();
    assert_eq!(refused, BTreeSet::new(), "refused by the authorizer");
}
