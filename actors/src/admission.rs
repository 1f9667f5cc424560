//! [`AdmissionRules`]: the rules that a batch has to keep before it is published, such as a largest growth and forbidden constructs.
//!
//! They catch mistakes that compile: a checkout into the wrong directory, a generator that runs wild, a construct that this site does not
//! allow. What breaks a rule is refused unless a person overrides it with a reason. Everything here is pure.

use std::fmt;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde::{Deserialize, Serialize};

use crate::cause::Cause;
use crate::dialect::Unit;
use crate::template::TemplateName;

/// The objections that are listed at most. Further ones are counted.
pub const OBJECTIONS_MAX: usize = 100;

/// A construct that a site may forbid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Construct {
    /// Output that is not escaped.
    Unescaped,
    /// A call whose name is computed, which can reach every template.
    DynamicName,
}

impl Construct {
    /// Returns the name in settings and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unescaped => "unescaped",
            Self::DynamicName => "dynamic-name",
        }
    }

    /// Returns the constructs that a compiled text itself reports. A dialect reports computed names, and not yet output that is not escaped.
    #[must_use]
    pub fn of(unit: &dyn Unit) -> Vec<Self> {
        unit.reaches_any().then_some(Self::DynamicName).into_iter().collect()
    }
}

/// The rules for what is published. The default has none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionRules {
    /// The largest number of templates, and the largest number of their bytes, after a batch, in per cent of those before it. 0 is no limit.
    pub growth_percent: u32,
    /// The number of templates, and of kilobytes, up to which a set may grow freely, so that a small site is no exception every day.
    pub growth_free: u32,
    /// The constructs that are forbidden.
    pub forbidden: Vec<Construct>,
    /// The names that are forbidden, as patterns of `.gitignore`.
    pub names: Vec<String>,
}

/// The size of all templates of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct SetSize {
    /// The number of templates.
    pub templates: u64,
    /// The bytes of their texts.
    pub bytes: u64,
}

/// A new text of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c> {
    /// The name of the template.
    pub name: &'c TemplateName,
    /// The constructs that the text has.
    pub constructs: &'c [Construct],
}

/// A rule that a batch breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objection {
    /// The set of templates grows too much.
    Growth {
        /// The size before the batch.
        before: SetSize,
        /// The size after it.
        after: SetSize,
        /// The largest size in per cent of the one before.
        most_percent: u32,
    },
    /// A template has a construct that is forbidden.
    Construct {
        /// The template.
        template: TemplateName,
        /// The construct.
        construct: Construct,
    },
    /// The name of a template is forbidden.
    Name {
        /// The template.
        template: TemplateName,
    },
}

/// The rules that a batch breaks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Objections {
    /// The first ones: growth first, and then in the order of the batch.
    pub listed: Vec<Objection>,
    /// The number of all of them.
    pub count: usize,
}

/// The error for names that are not patterns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct AdmissionError {
    pattern: String,
    reason: String,
}

/// Rules that are ready to be applied.
#[derive(Debug, Clone)]
pub struct Admission {
    rules: AdmissionRules,
    names: Gitignore,
}

impl Admission {
    /// Prepares rules.
    ///
    /// # Errors
    /// [`AdmissionError`] names the pattern that is none.
    ///
    /// ```
    /// use hotplate_actors::TemplateName;
    /// use hotplate_actors::admission::{Admission, AdmissionRules, Candidate, SetSize};
    ///
    /// let rules = AdmissionRules { names: vec!["drafts/".into()], ..AdmissionRules::default() };
    /// let name = TemplateName::new("drafts/a.html")?;
    /// let candidate = Candidate { name: &name, constructs: &[] };
    /// let objections = Admission::new(rules)?.objections(SetSize::default(), SetSize::default(), [candidate]);
    /// assert_eq!(objections.count, 1);
    /// assert!(objections.decide(None).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(rules: AdmissionRules) -> Result<Self, AdmissionError> {
        let mut builder = GitignoreBuilder::new("");
        let wrong = |pattern: &str, error: ignore::Error| AdmissionError {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        for pattern in &rules.names {
            builder.add_line(None, pattern).map_err(|error| wrong(pattern, error))?;
        }
        let names = builder.build().map_err(|error| wrong(&rules.names.join(", "), error))?;
        Ok(Self { rules, names })
    }

    /// Returns the rules that a batch breaks. The cost is that of the batch, whatever the number of templates is.
    #[must_use]
    pub fn objections<'c>(
        &self,
        before: SetSize,
        after: SetSize,
        batch: impl IntoIterator<Item = Candidate<'c>>,
    ) -> Objections {
        let mut objections = Objections::default();
        if self.is_too_large(before, after) {
            objections.add(Objection::Growth {
                before,
                after,
                most_percent: self.rules.growth_percent,
            });
        }
        for Candidate { name, constructs } in batch {
            if self.names.matched_path_or_any_parents(name.as_str(), false).is_ignore() {
                objections.add(Objection::Name { template: name.clone() });
            }
            for construct in constructs
                .iter()
                .filter(|construct| self.rules.forbidden.contains(construct))
            {
                objections.add(Objection::Construct {
                    template: name.clone(),
                    construct: *construct,
                });
            }
        }
        objections
    }

    fn is_too_large(&self, before: SetSize, after: SetSize) -> bool {
        let (percent, free) = (u128::from(self.rules.growth_percent), u64::from(self.rules.growth_free));
        let grows = |before: u64, after: u64, free: u64| {
            after > free.max(before) && u128::from(after) * 100 > u128::from(before) * percent
        };
        let is_larger = grows(before.templates, after.templates, free) || grows(before.bytes, after.bytes, free * 1024);
        percent > 0 && is_larger
    }
}

impl Objections {
    fn add(&mut self, objection: Objection) {
        self.count += 1;
        if self.listed.len() < OBJECTIONS_MAX {
            self.listed.push(objection);
        }
    }

    /// Decides if the batch is published: if it breaks no rule, or if a person overrides them with a reason.
    ///
    /// # Errors
    /// [`NotAdmitted`] has the rules that are broken.
    pub fn decide(self, override_by: Option<&Cause>) -> Result<Self, NotAdmitted> {
        let has_reason = override_by
            .and_then(Cause::why)
            .is_some_and(|reason| !reason.trim().is_empty());
        match self.count == 0 || has_reason {
            true => Ok(self),
            false => Err(NotAdmitted(self)),
        }
    }
}

/// The refusal of a batch that breaks rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAdmitted(pub Objections);

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for objection in &self.0.listed {
            writeln!(f, "{objection}")?;
        }
        match self.0.count - self.0.listed.len() {
            0 => {}
            more => writeln!(f, "and {more} more")?,
        }
        f.write_str(
            "the previous version is still served: change the batch, or publish it with an override and a reason",
        )
    }
}

impl std::error::Error for NotAdmitted {}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Growth {
                before,
                after,
                most_percent,
            } => write!(
                f,
                "{} templates of {} bytes would become {} of {}, and `growth_percent` is {most_percent}",
                before.templates, before.bytes, after.templates, after.bytes
            ),
            Self::Construct { template, construct } => {
                write!(
                    f,
                    "{template} has the construct `{}`, which is forbidden",
                    construct.as_str()
                )
            }
            Self::Name { template } => write!(f, "{template} is a name that is forbidden"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(templates: u64, bytes: u64) -> SetSize {
        SetSize { templates, bytes }
    }

    fn name(name: &str) -> TemplateName {
        TemplateName::new(name).expect("valid")
    }

    #[test]
    fn growth_has_its_bound() {
        let rules = AdmissionRules {
            growth_percent: 200,
            growth_free: 10,
            ..AdmissionRules::default()
        };
        let admission = Admission::new(rules).expect("valid");
        for (before, after, expected) in [
            (size(100, 100_000), size(200, 200_000), 0),
            (size(100, 100_000), size(201, 200_000), 1),
            (size(100, 100_000), size(100, 200_001), 1),
            (size(0, 0), size(10, 10 * 1024), 0),
            (size(0, 0), size(11, 1), 1),
            (size(500, 1), size(1, 1), 0),
            (size(u64::MAX, u64::MAX), size(u64::MAX, u64::MAX), 0),
            (size(1, 1), size(u64::MAX, u64::MAX), 1),
        ] {
            assert_eq!(
                admission.objections(before, after, []).count,
                expected,
                "{before:?} {after:?}"
            );
        }
        let free = Admission::new(AdmissionRules::default()).expect("valid");
        assert_eq!(free.objections(size(1, 1), size(u64::MAX, u64::MAX), []).count, 0);
    }

    #[test]
    fn names_and_constructs_are_refused_and_overridden_with_a_reason() {
        let rules = AdmissionRules {
            forbidden: vec![Construct::Unescaped],
            names: vec!["drafts/".into(), "*.bak.html".into()],
            ..AdmissionRules::default()
        };
        let admission = Admission::new(rules).expect("valid");
        let names = ["a.html", "drafts/b.html", "c.bak.html", "d.html"].map(name);
        let constructs = [&[][..], &[], &[], &[Construct::DynamicName, Construct::Unescaped]];
        let batch = names.iter().zip(constructs);
        let batch = batch.map(|(name, constructs)| Candidate { name, constructs });
        let objections = admission.objections(SetSize::default(), SetSize::default(), batch);
        let refused = objections.clone().decide(None).expect_err("refused").to_string();
        assert_eq!(
            refused,
            "drafts/b.html is a name that is forbidden\nc.bak.html is a name that is forbidden\nd.html has the construct `unescaped`, which \
             is forbidden\nthe previous version is still served: change the batch, or publish it with an override and a reason"
        );
        let by = Cause::by("alice");
        assert!(objections.clone().decide(Some(&by)).is_err(), "there is no reason");
        let overridden = objections.decide(Some(&by.reason("a move"))).expect("overridden");
        assert_eq!(overridden.count, 3);
        assert!(Objections::default().decide(None).is_ok());
    }

    #[test]
    fn objections_are_bounded_and_patterns_checked() {
        let rules = AdmissionRules {
            names: vec!["*".into()],
            ..AdmissionRules::default()
        };
        let names: Vec<TemplateName> = (0..OBJECTIONS_MAX + 2)
            .map(|number| name(&format!("{number}.html")))
            .collect();
        let batch = names.iter().map(|name| Candidate { name, constructs: &[] });
        let objections = Admission::new(rules)
            .expect("valid")
            .objections(size(0, 0), size(0, 0), batch);
        assert_eq!(
            (objections.listed.len(), objections.count),
            (OBJECTIONS_MAX, OBJECTIONS_MAX + 2)
        );
        let refused = NotAdmitted(objections).to_string();
        assert!(refused.contains("\nand 2 more\n"), "{refused}");
        let wrong = AdmissionRules {
            names: vec!["a{".into()],
            ..AdmissionRules::default()
        };
        let error = Admission::new(wrong).expect_err("no pattern").to_string();
        assert!(error.starts_with("`a{` is not a pattern: "), "{error}");
    }
}
