//! [`Rollout`]: the steps by which a canary gets more visitors.

use hotplate_actors::judge::{Plan, Requirements, Step};
use serde::{Deserialize, Serialize};

/// The steps by which a canary gets more visitors, and the requirements for each and for the promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rollout {
    /// True if a step begins by itself once the one before has lasted long enough and the canary meets the requirements, and the canary is
    /// promoted after the last.
    pub automatic: bool,
    /// The share of visitors in each step, such as `5%`. The last is `100%`.
    pub steps: Vec<String>,
    /// Time that each step lasts at least, in milliseconds.
    pub bake_ms: u64,
    /// Renders without which a canary is not known well enough.
    pub renders: u64,
    /// Share of renders that have to be good, in parts per million.
    pub good_ppm: u32,
    /// The largest p99, in per cent of the p99 of stable. 0 does not compare them.
    pub p99_percent: u32,
}

impl Default for Rollout {
    fn default() -> Self {
        let (plan, requirements) = (Plan::default(), Requirements::default());
        let steps = plan.steps().iter().map(|step| format!("{}%", step.buckets / 100));
        Self {
            automatic: plan.is_automatic,
            steps: steps.collect(),
            bake_ms: plan.steps().first().map_or(0, |step| step.bake_ms),
            renders: requirements.renders,
            good_ppm: requirements.good_ppm,
            p99_percent: requirements.p99_percent,
        }
    }
}

impl Rollout {
    /// Returns the plan.
    ///
    /// # Errors
    /// What to write instead, if the steps are not a plan.
    pub fn plan(&self) -> Result<Plan, String> {
        let steps = self.steps.iter().map(|text| {
            let buckets = buckets(text).ok_or_else(|| {
                format!(
                    "write each step as a percentage with up to two decimals, such as \"2.5%\", instead of \"{}\"",
                    text.escape_debug()
                )
            })?;
            Ok(Step {
                buckets,
                bake_ms: self.bake_ms,
            })
        });
        let mut plan = Plan::new(steps.collect::<Result<_, String>>()?).map_err(|error| error.to_string())?;
        plan.is_automatic = self.automatic;
        plan.requirements = Requirements {
            renders: self.renders,
            good_ppm: self.good_ppm,
            p99_percent: self.p99_percent,
        };
        Ok(plan)
    }
}

/// Returns a percentage as hundredths of a per cent.
fn buckets(text: &str) -> Option<u32> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || decimals.len() > 2 || !is_digits(whole) || !is_digits(decimals) {
        return None;
    }
    let decimals: u32 = format!("{decimals:0<2}").parse().ok()?;
    Some(whole.parse::<u32>().ok()? * 100 + decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_percentages() {
        for (text, expected) in [
            ("5%", Some(500)),
            ("2.5 %", Some(250)),
            ("0.01", Some(1)),
            ("100%", Some(10_000)),
            ("", None),
            ("%", None),
            ("-1%", None),
            ("1.234%", None),
            ("1e2", None),
            ("99999999999%", None),
        ] {
            assert_eq!(buckets(text), expected, "{text}");
        }
        assert_eq!(Rollout::default().plan(), Ok(Plan::default()));
        let steps = |steps: &[&str]| Rollout {
            steps: steps.iter().map(|&step| step.to_owned()).collect(),
            ..Rollout::default()
        };
        assert!(
            steps(&["5%", "50%"])
                .plan()
                .expect_err("not all")
                .contains("the last with 10000")
        );
        assert!(steps(&["much"]).plan().expect_err("no number").contains("\"2.5%\""));
    }
}
