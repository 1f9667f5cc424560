//! The metrics of stages.

use std::fmt;

use hotplate_actors::stages::StageStatus;

use super::writer::Writer;

/// Writes what the judge knows of each stage. The labels are the two stages, and three reasons.
pub(super) fn write(writer: &mut Writer<'_>, stages: &[StageStatus]) -> fmt::Result {
    let each = |value: fn(&StageStatus) -> u64| {
        let values = stages.iter();
        values.map(move |status| ([("stage", status.stage.as_str().into())], value(status)))
    };
    writer.gauges(
        "hotplate_stage_on",
        "Whether a stage is on; the visitors of one that is stopped get stable",
        each(|status| u64::from(status.is_on)),
    )?;
    writer.gauges(
        "hotplate_stage_judged_renders",
        "Renders of a stage that were judged since its texts changed, or since it was resumed",
        each(|status| status.evidence.renders),
    )?;
    writer.gauges(
        "hotplate_stage_judged_failures",
        "Those of them that failed",
        each(|status| status.evidence.failed),
    )?;
    writer.counters(
        "hotplate_stage_rescued",
        "Renders of a stage that failed and were answered by stable",
        each(|status| status.rescued),
    )?;
    writer.counters(
        "hotplate_stage_diverted",
        "Renders of a stage that stable answered, because the stage is stopped",
        each(|status| status.diverted),
    )?;
    let stops = stages.iter().flat_map(|status| {
        let stage = status.stage.as_str();
        let stops = status.stops.iter();
        stops.map(move |(reason, count)| ([("stage", stage.into()), ("reason", (*reason).into())], *count))
    });
    writer.counters(
        "hotplate_stage_stops",
        "Stops of a stage by the judge, by reason",
        stops,
    )?;
    let buckets = stages.iter().filter_map(|status| status.rollout.as_ref());
    let buckets = buckets.map(|rollout| u64::from(rollout.buckets)).sum();
    writer.gauge(
        "hotplate_canary_share_buckets",
        "Share of visitors that get canary, in hundredths of a per cent",
        buckets,
    )
}
