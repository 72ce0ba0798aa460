//! Ordered chains of policies: named pure checks, tried in order, so that the order is data and has its own test.

use crate::prelude::*;

/// One policy: a name and a pure function that says what it finds wrong, if anything.
pub struct Check<Input, Violation> {
    /// The name by which the order is tested and the violation is told.
    pub name: &'static str,
    /// The check. `None`: nothing is wrong.
    pub check: fn(&Input) -> Option<Violation>,
}

/// What a chain found, and which of its checks found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violated<Violation> {
    /// The name of the check.
    pub check: &'static str,
    /// What it found.
    pub violation: Violation,
}

/// Checks in the order in which they speak: where several would object, the first one is heard.
pub struct Chain<'c, Input, Violation> {
    checks: &'c [Check<Input, Violation>],
}

impl<'c, Input, Violation> Chain<'c, Input, Violation> {
    /// A chain of these checks, in this order.
    pub const fn new(checks: &'c [Check<Input, Violation>]) -> Self {
        Self { checks }
    }

    /// The first violation; `None` where every check is content. Later checks are not asked.
    pub fn first(&self, input: &Input) -> Option<Violated<Violation>> {
        self.violations(input).next()
    }

    /// Every violation, in order.
    pub fn all(&self, input: &Input) -> Vec<Violated<Violation>> {
        self.violations(input).collect()
    }

    /// The names of the checks, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.checks.iter().map(|check| check.name).collect()
    }

    fn violations(&self, input: &Input) -> impl Iterator<Item = Violated<Violation>> {
        self.checks.iter().filter_map(move |policy| {
            let violation = (policy.check)(input)?;
            Some(Violated { check: policy.name, violation })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CHAIN: Chain<'static, i64, &str> = Chain::new(&[
        Check { name: "negative", check: |number| (*number < 0).then_some("below zero") },
        Check { name: "odd", check: |number| (number % 2 != 0).then_some("not even") },
    ]);

    #[test]
    fn the_first_check_that_objects_is_heard() {
        assert_eq!(CHAIN.first(&-3), Some(Violated { check: "negative", violation: "below zero" }));
        assert_eq!(CHAIN.first(&3), Some(Violated { check: "odd", violation: "not even" }));
        assert_eq!(CHAIN.first(&4), None);
    }

    #[test]
    fn all_objections_come_in_the_order_of_the_chain() {
        let names = |number: i64| CHAIN.all(&number).iter().map(|found| found.check).collect::<Vec<_>>();
        assert_eq!(names(-3), ["negative", "odd"]);
        assert_eq!(names(-2), ["negative"]);
        assert!(names(2).is_empty());
        assert_eq!(CHAIN.names(), ["negative", "odd"]);
    }
}
