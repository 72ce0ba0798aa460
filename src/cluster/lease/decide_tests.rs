use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn place(identity: &str) -> LeasePlace {
    LeasePlace { namespace: "ops".to_owned(), name: "phaseloop".to_owned(), identity: identity.to_owned() }
}

fn stamp() -> Timestamp {
    "2026-03-04T03:00:00.123456789Z".parse().unwrap()
}

/// A replica: what it knows, and its own clock.
struct One {
    view: LeaseView,
    place: LeasePlace,
}

impl One {
    fn new(identity: &str) -> Self {
        Self { view: LeaseView::default(), place: place(identity) }
    }

    fn decide(&mut self, lease: Option<&Lease>, now_seconds: u64) -> LeaseStep {
        let terms = (&self.place, &LeaseTerms::default());
        decide(&mut self.view, lease, Duration::from_secs(now_seconds), stamp(), terms)
    }
}

/// The lease as the API server keeps it after a write.
fn stored(lease: &Lease, version: u32) -> Lease {
    let mut lease = lease.clone();
    lease.metadata.resource_version = Some(version.to_string());
    lease
}

fn written(step: LeaseStep) -> Lease {
    match step {
        LeaseStep::Create(lease) | LeaseStep::Replace(lease) => *lease,
        LeaseStep::Wait { holder, .. } => panic!("waits for {holder}"),
    }
}

fn spec(lease: &Lease) -> LeaseSpec {
    lease.spec.clone().unwrap()
}

fn held_by(holder: Option<&str>, transitions: i32, duration_seconds: Option<i32>, version: u32) -> Lease {
    let spec = LeaseSpec {
        holder_identity: holder.map(str::to_owned),
        lease_transitions: Some(transitions),
        lease_duration_seconds: duration_seconds,
        // Hours ahead of everybody's clock, or behind it: nobody may decide by it.
        renew_time: Some(MicroTime("2026-03-04T09:00:00Z".parse().unwrap())),
        acquire_time: Some(MicroTime("2020-01-01T00:00:00Z".parse().unwrap())),
        ..LeaseSpec::default()
    };
    stored(&Lease { metadata: ObjectMeta::default(), spec: Some(spec) }, version)
}

#[test]
fn a_lease_that_is_not_there_is_made_with_this_replica_as_its_holder() {
    let made = written(One::new("a").decide(None, 0));
    assert_eq!((made.metadata.name.as_deref(), made.metadata.namespace.as_deref()), (Some("phaseloop"), Some("ops")));
    let spec = spec(&made);
    assert_eq!(spec.holder_identity.as_deref(), Some("a"));
    assert_eq!((spec.lease_duration_seconds, spec.lease_transitions), (Some(15), Some(0)));
    assert_eq!(spec.acquire_time.unwrap().0.to_string(), "2026-03-04T03:00:00.123456Z", "as the API server keeps it");
}

#[test]
fn what_follows_from_a_lease_of_somebody() {
    let takes = "takes";
    for (what, lease, seen_for, expected) in [
        ("held and fresh", held_by(Some("b"), 3, Some(15), 1), 0, "waits"),
        ("seen unchanged a second too short", held_by(Some("b"), 3, Some(15), 1), 14, "waits"),
        ("seen unchanged for its time", held_by(Some("b"), 3, Some(15), 1), 15, takes),
        ("of a holder that promised longer", held_by(Some("b"), 3, Some(60), 1), 59, "waits"),
        ("of a holder that promised longer, and that is over", held_by(Some("b"), 3, Some(60), 1), 60, takes),
        ("without a word on its duration", held_by(Some("b"), 3, None, 1), 14, "waits"),
        ("without a word on its duration, ours is over", held_by(Some("b"), 3, None, 1), 15, takes),
        ("given back", held_by(Some(""), 3, Some(1), 1), 0, takes),
        ("of nobody", held_by(None, 3, Some(15), 1), 0, takes),
        ("under our own name, by a process before this one", held_by(Some("a"), 3, Some(15), 1), 0, "waits"),
        ("under our own name, and its time is over", held_by(Some("a"), 3, Some(15), 1), 15, takes),
    ] {
        let mut one = One::new("a");
        let _first_look = one.decide(Some(&lease), 100);
        one.view.claim = None;
        match one.decide(Some(&lease), 100 + seen_for) {
            LeaseStep::Wait { .. } => assert_eq!(expected, "waits", "{what}"),
            step => {
                assert_eq!(expected, takes, "{what}");
                let spec = spec(&written(step));
                assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("a"), Some(4)), "{what}");
            }
        }
    }
}

#[test]
fn a_lease_that_changes_is_waited_for_anew() {
    let mut one = One::new("a");
    for (version, now) in [(1, 0), (2, 14), (3, 28)] {
        let LeaseStep::Wait { holder, until } = one.decide(Some(&held_by(Some("b"), 0, Some(15), version)), now) else {
            panic!("taken at {now}")
        };
        assert_eq!((holder.as_str(), until), ("b", Duration::from_secs(now) + 15 * SECOND));
    }
}

#[test]
fn a_holder_renews_what_is_its_own_and_changes_nothing_but_the_time() {
    let mut one = One::new("a");
    let mine = stored(&written(one.decide(None, 0)), 1);
    assert!(is_own(&one.view, &mine, &one.place));
    let renewed = written(one.decide(Some(&mine), 2));
    assert_eq!(renewed.metadata.resource_version.as_deref(), Some("1"), "under the version that was read");
    let (before, after) = (spec(&mine), spec(&renewed));
    assert_eq!(LeaseSpec { renew_time: None, ..before }, LeaseSpec { renew_time: None, ..after });
}

#[test]
fn an_acquisition_whose_answer_was_lost_is_known_as_ones_own() {
    let mut one = One::new("a");
    let free = held_by(Some(""), 7, Some(1), 1);
    let taken = stored(&written(one.decide(Some(&free), 0)), 2);
    let renewed = one.decide(Some(&taken), 1);
    assert!(matches!(renewed, LeaseStep::Replace(_)), "it need not wait for itself: {renewed:?}");
}

#[test]
fn of_two_processes_with_one_name_only_the_one_that_took_the_lease_holds_it() {
    let (mut one, mut twin) = (One::new("a"), One::new("a"));
    let taken = stored(&written(one.decide(None, 0)), 1);
    assert!(!is_own(&twin.view, &taken, &twin.place));
    assert!(matches!(twin.decide(Some(&taken), 0), LeaseStep::Wait { .. }));
    let over = written(twin.decide(Some(&taken), 15));
    assert!(!is_own(&one.view, &stored(&over, 2), &one.place), "the first one sees that it is no longer its own");
    assert!(matches!(one.decide(Some(&stored(&over, 2)), 15), LeaseStep::Wait { .. }));
}

#[test]
fn a_lease_is_given_back_by_its_holder_only() {
    let (mut one, mut other) = (One::new("a"), One::new("b"));
    let mine = stored(&written(one.decide(None, 0)), 1);
    let free = released(&one.view, &mine, stamp(), &one.place).unwrap();
    assert_eq!(free.metadata.resource_version.as_deref(), Some("1"));
    assert_eq!((spec(&free).holder_identity.as_deref(), spec(&free).lease_transitions), (Some(""), Some(0)));
    assert_eq!(released(&other.view, &mine, stamp(), &other.place), None);
    let next = spec(&written(other.decide(Some(&stored(&free, 2)), 0)));
    assert_eq!((next.holder_identity.as_deref(), next.lease_transitions), (Some("b"), Some(1)), "at once");
}
