//! Tests of the metrics, parsed by the grammar of OpenMetrics 1.0 as a scraper parses them.

use std::collections::{BTreeMap, BTreeSet};

use hotplate::metrics::Metrics;
use serde_json::json;

use crate::admin::{SHOP, Served};

/// A family of metrics.
#[derive(Debug, Default)]
pub(crate) struct Family {
    kind: String,
    unit: Option<String>,
    help: Option<String>,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Parses a text strictly.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let lines = text.strip_suffix("# EOF\n").ok_or("it does not end with `# EOF`")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in lines.lines() {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(about) = line.strip_prefix("# ") {
            let (word, rest) = about.split_once(' ').ok_or_else(|| wrong("no name"))?;
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            if name != current {
                if families.contains_key(name) {
                    return Err(wrong("a family in two places"));
                }
                current = name.to_owned();
                families.insert(current.clone(), Family::default());
            }
            let family = families.get_mut(&current).ok_or_else(|| wrong("no family"))?;
            if !family.samples.is_empty() {
                return Err(wrong("described after a sample"));
            }
            match word {
                "TYPE" => family.kind = text.to_owned(),
                "UNIT" => family.unit = Some(text.to_owned()),
                "HELP" => family.help = Some(text.to_owned()),
                _ => return Err(wrong("neither TYPE, UNIT nor HELP")),
            }
            continue;
        }
        let sample = sample(line).ok_or_else(|| wrong("not a sample"))?;
        let family = families
            .get_mut(&current)
            .ok_or_else(|| wrong("a sample of no family"))?;
        let suffix = sample
            .name
            .strip_prefix(&current)
            .ok_or_else(|| wrong("a sample of another family"))?;
        let fits = match family.kind.as_str() {
            "counter" => suffix == "_total" && sample.value >= 0.0,
            "gauge" => suffix.is_empty(),
            "info" => suffix == "_info" && sample.value == 1.0,
            "histogram" => ["_bucket", "_count", "_sum"].contains(&suffix),
            _ => false,
        };
        if !fits {
            return Err(wrong(&format!("not a sample of a {}", family.kind)));
        }
        if family
            .samples
            .iter()
            .any(|other| other.name == sample.name && other.labels == sample.labels)
        {
            return Err(wrong("twice"));
        }
        family.samples.push(sample);
    }
    for (name, family) in &families {
        if family
            .unit
            .as_ref()
            .is_some_and(|unit| !name.ends_with(&format!("_{unit}")))
        {
            return Err(format!("{name} does not end with its unit"));
        }
        if family.kind == "histogram" {
            histogram(name, family)?;
        }
    }
    Ok(families)
}

/// Checks that the buckets grow, end with infinity, and agree with the count.
fn histogram(name: &str, family: &Family) -> Result<(), String> {
    let of = |suffix: &str| {
        family
            .samples
            .iter()
            .filter(|sample| sample.name == format!("{name}{suffix}"))
            .collect::<Vec<_>>()
    };
    let buckets: Vec<(f64, f64)> = of("_bucket")
        .iter()
        .map(|sample| {
            (
                sample.labels["le"].replace("+Inf", "inf").parse().unwrap_or(f64::NAN),
                sample.value,
            )
        })
        .collect();
    let grows = buckets
        .windows(2)
        .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
    let last = buckets.last().ok_or_else(|| format!("{name} has no buckets"))?;
    let count = of("_count").first().map(|sample| sample.value);
    match grows && last.0.is_infinite() && Some(last.1) == count && of("_sum").len() == 1 {
        true => Ok(()),
        false => Err(format!("{name} is no histogram: {buckets:?}, {count:?}")),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_' || character == ':')
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        // No label here has a quote or a brace in its value.
        let (inside, after) = inside.split_once('}')?;
        for label in inside.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=')?;
            let value = value
                .strip_prefix('"')?
                .strip_suffix('"')
                .filter(|value| !value.contains('"'))?;
            if !is_name(key) || labels.insert(key.to_owned(), value.to_owned()).is_some() {
                return None;
            }
        }
        rest = after;
    }
    let value = rest.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// Returns the value of one sample.
fn value(families: &BTreeMap<String, Family>, family: &str, label: &str) -> f64 {
    let found = families.get(family).unwrap_or_else(|| panic!("no {family}"));
    let mut samples = found
        .samples
        .iter()
        .filter(|sample| label.is_empty() || sample.labels.values().any(|value| value == label));
    samples
        .next()
        .unwrap_or_else(|| panic!("no {family} of {label}: {found:?}"))
        .value
}

fn read(served: &Served) -> BTreeMap<String, Family> {
    let answer = served.get("/admin/v1/metrics");
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    parse(&answer.body).unwrap_or_else(|wrong| panic!("{wrong}\n{}", answer.body))
}

fn shape(families: &BTreeMap<String, Family>) -> BTreeSet<String> {
    let samples = families.values().flat_map(|family| &family.samples);
    samples
        .map(|sample| format!("{} {:?}", sample.name, sample.labels))
        .collect()
}

#[test]
fn all_label_values_exist_from_the_start() {
    let served = Served::start(&SHOP);
    let before = read(&served);
    for outcome in [
        "current",
        "stale",
        "fallback",
        "failed",
        "context",
        "not-found",
        "broken",
        "timeout",
        "cancelled",
        "busy",
        "down",
        "lost",
    ] {
        assert_eq!(value(&before, "hotplate_renders", outcome), 0.0, "{outcome}");
    }
    for mailbox in ["reloads", "renders", "queries"] {
        assert!(value(&before, "hotplate_mailbox_capacity", mailbox) >= 1.0, "{mailbox}");
        for family in ["in_flight", "rejected", "timeouts", "lost"] {
            let family = format!("hotplate_mailbox_{family}");
            assert_eq!(value(&before, &family, mailbox), 0.0, "{family} {mailbox}");
        }
    }
    served
        .hotplate
        .render("index.html", &json!({"title": "t"}))
        .expect("renders");
    served.hotplate.render("index.html", &json!({})).expect_err("no title");
    served
        .hotplate
        .render("no-such.html", &json!({}))
        .expect_err("not there");
    served.edit("part/foot.html", "{{ if x }}");
    served
        .hotplate
        .render("index.html", &json!({"title": "t"}))
        .expect("renders");
    let after = read(&served);
    assert_eq!(shape(&before), shape(&after));
    for (outcome, count) in [("current", 1.0), ("failed", 1.0), ("not-found", 1.0), ("stale", 1.0)] {
        assert_eq!(value(&after, "hotplate_renders", outcome), count, "{outcome}");
    }
    let durations = &after["hotplate_render_duration_seconds"].samples;
    let count = durations
        .iter()
        .find(|sample| sample.name.ends_with("_count"))
        .expect("a count");
    assert_eq!(count.value, 4.0);
    assert_eq!(value(&after, "hotplate_compile_failures", "unclosed-block"), 1.0);
    let names = after
        .values()
        .flat_map(|family| &family.samples)
        .flat_map(|sample| sample.labels.values());
    assert!(
        names.into_iter().all(|value| !value.contains(".html")),
        "a template's name is a label"
    );
    assert!(
        after
            .iter()
            .all(|(name, family)| name.starts_with("hotplate_") && family.help.is_some())
    );
}

#[test]
fn stale_templates_are_counted() {
    let served = Served::start(&SHOP);
    let versions = || {
        let families = read(&served);
        (
            value(&families, "hotplate_desired_version", ""),
            value(&families, "hotplate_live_version", ""),
        )
    };
    assert_eq!(versions(), (1.0, 1.0));
    served.edit("part/foot.html", "{{ if x }}");
    assert_eq!(versions(), (3.0, 2.0));
    let broken = read(&served);
    assert_eq!(value(&broken, "hotplate_entries", "stale"), 3.0);
    assert_eq!(value(&broken, "hotplate_reload_rejected", ""), 1.0);
    let last = value(&broken, "hotplate_reload_last_success_timestamp_seconds", "");
    assert!(last > 1_600_000_000.0, "{last}");
    served.edit("part/foot.html", "foot");
    assert_eq!(versions(), (3.0, 3.0));
    let fixed = read(&served);
    assert_eq!(value(&fixed, "hotplate_reload_last_successful", ""), 1.0);
    assert!(value(&fixed, "hotplate_reload_success", "") >= 1.0);
    let attempts = [
        "hotplate_reload_success",
        "hotplate_reload_failure",
        "hotplate_reload_rejected",
    ];
    let attempts: f64 = attempts.iter().map(|family| value(&fixed, family, "")).sum();
    assert_eq!(value(&fixed, "hotplate_reload_attempts", ""), attempts);
}

#[test]
fn versions_in_use_are_counted() {
    let served = Served::start(&SHOP);
    let held: Vec<_> = (0..3)
        .map(|number| {
            served.edit("alone.txt", &format!("{number}"));
            served.hotplate.snapshot()
        })
        .collect();
    let families = read(&served);
    assert!(value(&families, "hotplate_snapshots_live", "") >= 3.0);
    drop(held);
    let counters = served.hotplate.counters();
    assert!(counters.snapshots_high_water >= 3, "{counters:?}");
}

#[test]
fn reloads_of_the_configuration_are_counted() {
    let served = Served::start(&SHOP);
    let metrics = Metrics::new(served.hotplate.clone());
    let successful = || {
        let families = parse(&metrics.text()).expect("OpenMetrics");
        let last = value(&families, "hotplate_config_last_reload_success_timestamp_seconds", "");
        (value(&families, "hotplate_config_last_reload_successful", ""), last)
    };
    let (first, since) = successful();
    metrics.configuration_reloaded(false);
    assert_eq!((first, successful()), (1.0, (0.0, since)));
    metrics.configuration_reloaded(true);
    assert_eq!(successful().0, 1.0);
}

#[test]
fn the_parser_finds_errors() {
    let good = "# HELP a_seconds h\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\na_seconds{b=\"c\"} 1.5\n# EOF\n";
    assert!(parse(good).is_ok());
    for wrong in [
        "# TYPE a gauge\na 1\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a gauge\na 1\na 1\n# EOF\n",
        "# TYPE a gauge\nb 1\n# EOF\n",
        "# TYPE a gauge\na x\n# EOF\n",
        "# TYPE a gauge\na{b=c} 1\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na{x=\"1\"} 1\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
        "# TYPE a histogram\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n# EOF\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
