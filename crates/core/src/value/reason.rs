//! How a typed reason is declared: once, with its name and its meaning, so that the reference in `docs/reference` can be
//! generated from the code and no reason can exist without a sentence for the user.

/// A reason as the reference lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonEntry {
    /// The PascalCase name that stands in conditions, verdicts and output.
    pub name: &'static str,
    /// One sentence: what it means and, where a person can help, what helps.
    pub meaning: &'static str,
}

/// Declares an enum of reasons. Each variant carries one doc line, which is both its documentation and its entry in the
/// generated reference.
///
/// The enum gets `ALL`, `name()` and `meaning()`, prints as its name, and is serialised as its name.
#[macro_export]
macro_rules! reasons {
    ($(#[$enum_doc:meta])* pub enum $enum_name:ident { $(#[doc = $meaning:literal] $variant:ident),+ $(,)? }) => {
        $(#[$enum_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $enum_name { $(#[doc = $meaning] $variant),+ }

        impl $enum_name {
            /// Every reason with its meaning, in the order of declaration.
            pub const ALL: &'static [$crate::value::reason::ReasonEntry] = &[
                $($crate::value::reason::ReasonEntry { name: stringify!($variant), meaning: $meaning.trim_ascii() }),+
            ];

            /// The PascalCase name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }

            /// One sentence for the user.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning.trim_ascii()),+ }
            }
        }

        impl core::fmt::Display for $enum_name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str(self.name()) }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro declares public enums")]
mod tests {
    reasons! {
        /// Why a test exists.
        pub enum Example {
            /// The first one.
            First,
            /// The second one.
            Second,
        }
    }

    #[test]
    fn a_reason_carries_its_name_and_its_sentence() {
        assert_eq!(Example::First.name(), "First");
        assert_eq!(Example::Second.to_string(), "Second");
        assert_eq!(Example::Second.meaning(), "The second one.");
        assert_eq!(Example::ALL.len(), 2);
        assert_eq!(Example::ALL[0].meaning, "The first one.");
        assert_eq!(serde_json::to_string(&Example::First).unwrap(), "\"First\"");
    }
}
