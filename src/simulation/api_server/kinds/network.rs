//! NetworkPolicies: what is refused of them. They are stored; nothing enforces them here.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{
    super::{
        field_error::FieldError,
        object::{elements, text},
    },
    names,
};

/// The highest port.
const PORT_MAX: i64 = 65_535;
/// Longest name of a port.
const PORT_NAME_LENGTH_MAX: usize = 15;
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const POLICY_TYPES: [&str; 2] = ["Ingress", "Egress"];

/// What is wrong with the specification of a NetworkPolicy. `before` is the policy that it replaces: an address range that stood
/// in it is not looked at again.
pub(super) fn policy_errors(policy: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = policy.get("spec").unwrap_or(&Value::Null);
    names::selector_errors(spec.get("podSelector"), "spec.podSelector", &mut errors);
    let known = before.map(ranges_of).unwrap_or_default();
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in elements(spec, &[list]).iter().enumerate() {
            let path = format!("spec.{list}[{index}]");
            for (index, port) in elements(rule, &["ports"]).iter().enumerate() {
                port_errors(port, &format!("{path}.ports[{index}]"), &mut errors);
            }
            for (index, peer) in elements(rule, &[peers]).iter().enumerate() {
                peer_errors(peer, &known, &format!("{path}.{peers}[{index}]"), &mut errors);
            }
        }
    }
    let types = elements(spec, &["policyTypes"]);
    if types.len() > POLICY_TYPES.len() {
        let problem = "may not specify more than two policyTypes";
        errors.push(FieldError::invalid("spec.policyTypes", &json!(types), problem));
        return errors;
    }
    for (index, kind) in types.iter().enumerate() {
        if !kind.as_str().is_some_and(|kind| POLICY_TYPES.contains(&kind)) {
            errors.push(FieldError::not_supported(&format!("spec.policyTypes[{index}]"), kind, &POLICY_TYPES));
        }
    }
    errors
}

/// The address ranges of a policy, as they are written.
fn ranges_of(policy: &Value) -> Vec<String> {
    let spec = policy.get("spec").unwrap_or(&Value::Null);
    let mut ranges = Vec::new();
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        for peer in elements(spec, &[list]).iter().flat_map(|rule| elements(rule, &[peers])) {
            ranges.extend(text(peer, &["ipBlock", "cidr"]).map(str::to_owned));
            let except = elements(peer, &["ipBlock", "except"]);
            ranges.extend(except.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    ranges
}

fn port_errors(port: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(protocol) = text(port, &["protocol"]).filter(|protocol| !PROTOCOLS.contains(protocol)) {
        errors.push(FieldError::not_supported(&format!("{path}.protocol"), &json!(protocol), &PROTOCOLS));
    }
    let end = port.get("endPort").and_then(Value::as_i64);
    let (place, end_place) = (format!("{path}.port"), format!("{path}.endPort"));
    match port.get("port").filter(|port| !port.is_null()) {
        Some(Value::String(name)) => {
            if let Some(end) = end {
                let problem = "may not be specified when `port` is non-numeric";
                errors.push(FieldError::invalid(&end_place, &json!(end), problem));
            }
            errors.extend(port_name_faults(name).iter().map(|fault| FieldError::invalid(&place, &json!(name), fault)));
        }
        Some(number) => {
            let number = number.as_i64().unwrap_or_default();
            let range = format!("must be between 1 and {PORT_MAX}, inclusive");
            let is_port = |number: i64| (1..=PORT_MAX).contains(&number);
            if !is_port(number) {
                errors.push(FieldError::invalid(&place, &json!(number), &range));
            }
            if let Some(end) = end.filter(|end| *end < number) {
                let problem = "must be greater than or equal to `port`";
                errors.push(FieldError::invalid(&end_place, &json!(end), problem));
            }
            if let Some(end) = end.filter(|end| !is_port(*end)) {
                errors.push(FieldError::invalid(&end_place, &json!(end), &range));
            }
        }
        None => {
            if let Some(end) = end {
                let problem = "may not be specified when `port` is not specified";
                errors.push(FieldError::invalid(&end_place, &json!(end), problem));
            }
        }
    }
}

/// What is wrong with the name of a port.
fn port_name_faults(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |is_wrong: bool, text: &str| {
        if is_wrong {
            faults.push(text.to_owned());
        }
    };
    let is_lower = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    fault(name.len() > PORT_NAME_LENGTH_MAX, &format!("must be no more than {PORT_NAME_LENGTH_MAX} bytes"));
    fault(
        name.is_empty() || !name.chars().all(|letter| is_lower(letter) || letter == '-'),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    fault(!name.contains(|letter: char| letter.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    fault(name.contains("--"), "must not contain consecutive hyphens");
    fault(name.starts_with('-') || name.ends_with('-'), "must not begin or end with a hyphen");
    faults
}

fn peer_errors(peer: &Value, known: &[String], path: &str, errors: &mut Vec<FieldError>) {
    let part = |name: &str| peer.get(name).filter(|part| !part.is_null());
    for name in ["podSelector", "namespaceSelector"] {
        names::selector_errors(part(name), &format!("{path}.{name}"), errors);
    }
    if let Some(block) = part("ipBlock") {
        block_errors(block, known, &format!("{path}.ipBlock"), errors);
    }
    let parts = ["podSelector", "namespaceSelector", "ipBlock"].iter().filter(|name| part(name).is_some()).count();
    if parts == 0 {
        errors.push(FieldError::required(path, "must specify a peer"));
    } else if parts > 1 && part("ipBlock").is_some() {
        errors.push(FieldError::forbidden(path, "may not specify both ipBlock and another peer"));
    }
}

fn block_errors(block: &Value, known: &[String], path: &str, errors: &mut Vec<FieldError>) {
    let problem = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
    let mut read = |place: &str, range: &str| {
        let read = Range::read(range);
        if read.is_none() && !known.iter().any(|known| known == range) {
            errors.push(FieldError::invalid(place, &json!(range), problem));
        }
        read
    };
    let Some(range) = text(block, &["cidr"]).filter(|range| !range.is_empty()) else {
        errors.push(FieldError::required(&format!("{path}.cidr"), ""));
        return;
    };
    let Some(whole) = read(&format!("{path}.cidr"), range) else { return };
    let mut outside = Vec::new();
    for (index, range) in elements(block, &["except"]).iter().filter_map(Value::as_str).enumerate() {
        let place = format!("{path}.except[{index}]");
        if read(&place, range).is_some_and(|part| !whole.holds(part)) {
            outside.push(FieldError::invalid(&place, &json!(range), "must be a strict subset of `cidr`"));
        }
    }
    errors.extend(outside);
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Range {
    address: IpAddr,
    prefix_bits: u32,
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let is_number = !prefix.is_empty() && prefix.chars().all(|letter| letter.is_ascii_digit());
        let prefix_bits: u32 = prefix.parse().ok().filter(|_| is_number)?;
        let range = Self { address, prefix_bits };
        (prefix_bits <= range.bits().1).then_some(range)
    }

    /// The address as a number, and how many bits it has.
    fn bits(self) -> (u128, u32) {
        match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), u32::BITS),
            IpAddr::V6(address) => (address.to_bits(), u128::BITS),
        }
    }

    /// Whether another range is a part of this one, and not all of it.
    fn holds(self, part: Self) -> bool {
        let ((own, length), (other, other_length)) = (self.bits(), part.bits());
        let head = |address: u128| address.checked_shr(length - self.prefix_bits).unwrap_or(0);
        length == other_length && self.prefix_bits < part.prefix_bits && head(own) == head(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spec: &Value) -> Vec<String> {
        let errors = policy_errors(&json!({ "spec": spec }), None);
        errors.iter().map(|error| format!("{}: {}", error.field, error.message())).collect()
    }

    #[test]
    fn a_policy_like_those_of_test_pods_is_good() {
        let spec = json!({
            "podSelector": { "matchLabels": { "app.kubernetes.io/managed-by": "phaseloop" } },
            "policyTypes": ["Ingress", "Egress"],
            "egress": [
                { "to": [{ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"] } }], "ports": [{ "port": 443, "protocol": "TCP" }] },
                { "to": [{ "ipBlock": { "cidr": "fd00::/8" } }, { "podSelector": {}, "namespaceSelector": {} }] },
                { "ports": [{ "port": 53, "protocol": "UDP" }, { "port": "dns-tcp" }, { "port": 1, "endPort": 65535 }] },
                {},
            ],
        });
        assert_eq!(faults(&spec), [""; 0]);
    }

    #[test]
    fn what_kubernetes_refuses_is_refused_in_its_words() {
        let egress = |rule: Value| json!({ "podSelector": {}, "egress": [rule] });
        let port = |port: Value| egress(json!({ "ports": [port] }));
        let to = |peer: Value| egress(json!({ "to": [peer] }));
        let at = |place: &str, words: &str| format!("spec.egress[0].{place}: {words}");
        for (spec, expected) in [
            (port(json!({ "port": 0 })), at("ports[0].port", "Invalid value: 0: must be between 1 and 65535, inclusive")),
            (
                port(json!({ "port": 1, "protocol": "ICMP" })),
                at("ports[0].protocol", "Unsupported value: \"ICMP\": supported values: \"TCP\", \"UDP\", \"SCTP\""),
            ),
            (
                port(json!({ "port": 9, "endPort": 8 })),
                at("ports[0].endPort", "Invalid value: 8: must be greater than or equal to `port`"),
            ),
            (
                port(json!({ "endPort": 8 })),
                at("ports[0].endPort", "Invalid value: 8: may not be specified when `port` is not specified"),
            ),
            (
                port(json!({ "port": "web", "endPort": 8 })),
                at("ports[0].endPort", "Invalid value: 8: may not be specified when `port` is non-numeric"),
            ),
            (
                port(json!({ "port": "53" })),
                at("ports[0].port", "Invalid value: \"53\": must contain at least one letter (a-z)"),
            ),
            (to(json!({})), at("to[0]", "Required value: must specify a peer")),
            (
                to(json!({ "podSelector": {}, "ipBlock": { "cidr": "10.0.0.0/8" } })),
                at("to[0]", "Forbidden: may not specify both ipBlock and another peer"),
            ),
            (to(json!({ "ipBlock": { "cidr": "" } })), at("to[0].ipBlock.cidr", "Required value")),
            (
                to(json!({ "ipBlock": { "cidr": "10.0.0.0/33" } })),
                at(
                    "to[0].ipBlock.cidr",
                    "Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
                ),
            ),
            (
                to(json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"] } })),
                at(
                    "to[0].ipBlock.except[0]",
                    "Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`",
                ),
            ),
            (
                json!({ "podSelector": {}, "policyTypes": ["Both"] }),
                "spec.policyTypes[0]: Unsupported value: \"Both\": supported values: \"Ingress\", \"Egress\"".to_owned(),
            ),
            (
                json!({ "podSelector": { "matchExpressions": [{ "key": "a", "operator": "In" }] } }),
                "spec.podSelector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
                    .to_owned(),
            ),
        ] {
            assert_eq!(faults(&spec), [expected]);
        }
    }

    #[test]
    fn a_bad_range_that_stood_there_before_may_stay() {
        let policy =
            json!({ "spec": { "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": "10.0.0.0/99" } }] }] } });
        assert_eq!(policy_errors(&policy, None).len(), 1);
        assert_eq!(policy_errors(&policy, Some(&policy)), []);
    }

    #[test]
    fn a_part_of_a_range_is_smaller_and_within_it() {
        for (whole, part, holds) in [
            ("10.0.0.0/8", "10.2.0.0/16", true),
            ("10.0.0.0/8", "10.0.0.0/8", false),
            ("10.0.0.0/8", "11.0.0.0/16", false),
            ("0.0.0.0/0", "11.0.0.0/16", true),
            ("::/0", "fd00::/8", true),
            ("::/0", "10.0.0.0/8", false),
        ] {
            let read = |text: &str| Range::read(text).unwrap();
            assert_eq!(read(whole).holds(read(part)), holds, "{whole} {part}");
        }
    }
}
