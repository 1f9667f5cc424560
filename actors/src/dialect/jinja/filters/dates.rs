//! Dates and times as text, as minijinja-contrib formats them.
//!
//! Time zones come from the data that is compiled in, never from files of the system: a render does no I/O, and prints the same everywhere.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::LazyLock;

use jiff::civil::{DateTime, Time};
use jiff::fmt::{strtime, temporal::Pieces};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

use super::{Arguments, Failure, Machine, Outcome, Val};
use crate::dialect::jinja::value::{Kind, real};
use crate::suggestion::suggestion;

/// The longest format and the longest text of a date. A directive of a format prints some hundred bytes at most.
const TEXT_BYTES_MAX: usize = 1000;

/// The steps of one date, besides its format.
const STEPS: usize = 32;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A kind of output: the names of formats that it has, and the setting of its default.
struct Style {
    filter: &'static str,
    setting: &'static str,
    formats: &'static [(&'static str, &'static str)],
    /// A date without a time is enough.
    takes_dates: bool,
}

const DATE_AND_TIME: Style = Style {
    filter: "datetimeformat",
    setting: "DATETIME_FORMAT",
    formats: &[
        ("short", "%Y-%m-%d %H:%M"),
        ("medium", "%b %-d %Y %H:%M"),
        ("long", "%B %-d %Y %H:%M:%S"),
        ("full", "%A, %B %-d %Y %H:%M:%S.%f"),
        ("iso", "%Y-%m-%dT%H:%M:%S%:z"),
        ("unix", "%s"),
    ],
    takes_dates: false,
};

const DATE: Style = Style {
    filter: "dateformat",
    setting: "DATE_FORMAT",
    formats: &[
        ("short", "%Y-%m-%d"),
        ("medium", "%b %-d %Y"),
        ("long", "%B %-d %Y"),
        ("full", "%A, %B %-d %Y"),
    ],
    takes_dates: true,
};

const TIME: Style = Style {
    filter: "timeformat",
    setting: "TIME_FORMAT",
    formats: &[
        ("short", "%H:%M"),
        ("medium", "%H:%M"),
        ("long", "%H:%M:%S"),
        ("full", "%H:%M:%S.%f"),
        ("iso", "%Y-%m-%dT%H:%M:%S%:z"),
        ("unix", "%s"),
    ],
    takes_dates: false,
};

pub(super) fn datetimeformat<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    formatted(&DATE_AND_TIME, value, arguments, machine)
}

pub(super) fn dateformat<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    formatted(&DATE, value, arguments, machine)
}

pub(super) fn timeformat<'r>(
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    formatted(&TIME, value, arguments, machine)
}

fn formatted<'r>(
    style: &Style,
    value: Val<'r>,
    arguments: &Arguments<'_, 'r>,
    machine: &mut Machine<'_, 'r>,
) -> Outcome<Val<'r>> {
    machine.defined(value)?;
    let format = chosen(arguments, (0, "format"), style.setting, machine)?.unwrap_or("medium");
    let zone = match chosen(arguments, (1, "tz"), "TIMEZONE", machine)? {
        None | Some("original") => None,
        Some(name) => Some(zone_named(name)?),
    };
    let named = style.formats.iter().find(|(name, _)| *name == format);
    let format = named.map_or(format, |(_, format)| *format);
    for text in [Some(format), value.as_str()].into_iter().flatten() {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a date or its format has more than {TEXT_BYTES_MAX} bytes");
            return Err(Failure::invalid(message));
        }
    }
    machine.items(STEPS + format.len())?;
    let moment = moment(style, value, zone)?;
    let text = strtime::format(format, &moment).map_err(|error| {
        let names: Vec<&str> = style.formats.iter().map(|(name, _)| *name).collect();
        let failure = Failure::invalid(format!("the format of `{}` is not valid: {error}", style.filter));
        failure.help(format!("write {}, or a format as of `strftime`", names.join(", ")))
    })?;
    Ok(Val::Str(machine.space.text(&text)?))
}

/// Returns an argument, or else a setting of the data.
fn chosen<'r>(
    arguments: &Arguments<'_, 'r>,
    (index, name): (usize, &str),
    default: &str,
    machine: &Machine<'_, 'r>,
) -> Outcome<Option<&'r str>> {
    match arguments.text(index, name)? {
        Some(text) => Ok(Some(text)),
        None => Ok(machine.space.setting(default)?.and_then(Val::as_str)),
    }
}

/// The number of zones that a thread remembers.
const KNOWN_ZONES_MAX: usize = 16;

thread_local! {
    /// The zones that this thread has looked up last. The database has a lock that all threads would share.
    static KNOWN_ZONES: RefCell<VecDeque<(Box<str>, TimeZone)>> = const { RefCell::new(VecDeque::new()) };
}

fn zone_named(name: &str) -> Outcome<TimeZone> {
    let is_named = |(known, _): &&(Box<str>, TimeZone)| **known == *name;
    let known = KNOWN_ZONES.with_borrow(|zones| zones.iter().find(is_named).map(|(_, zone)| zone.clone()));
    if let Some(zone) = known {
        return Ok(zone);
    }
    let zone = find_zone(name)?;
    KNOWN_ZONES.with_borrow_mut(|zones| {
        zones.truncate(KNOWN_ZONES_MAX - 1);
        zones.push_front((name.into(), zone.clone()));
    });
    Ok(zone)
}

fn find_zone(name: &str) -> Outcome<TimeZone> {
    ZONES.get(name).map_err(|_| {
        let failure = Failure::invalid(format!("there is no time zone `{}`", name.escape_debug()));
        let known: Vec<String> = ZONES.available().map(|zone| zone.to_string()).collect();
        match suggestion(name, known.iter().map(String::as_str)) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("write a name such as `Europe/Vienna`, or `UTC`"),
        }
    })
}

/// Returns the moment that a value stands for.
fn moment(style: &Style, value: Val<'_>, zone: Option<TimeZone>) -> Outcome<Zoned> {
    let filter = style.filter;
    let unusable = || {
        let shown = match value.as_str() {
            Some(text) => format!("`{}`", text.escape_debug()),
            None => value.words().to_owned(),
        };
        let failure = Failure::invalid(format!("`{filter}` takes a date, not {shown}"));
        failure.help("a date is a number of seconds since 1970, or a text such as `2026-11-30T12:00:00Z`")
    };
    let out_of_range = |_: jiff::Error| Failure::invalid(format!("the date of `{filter}` is out of range"));
    let zoned = |at: DateTime, zone: Option<TimeZone>| {
        let zone = zone.unwrap_or(TimeZone::UTC);
        at.to_zoned(zone).map_err(out_of_range)
    };
    let Some(text) = value.as_str() else {
        let seconds = match value.kind() {
            Kind::Number => real(value),
            _ => None,
        };
        let nanoseconds = (seconds.ok_or_else(unusable)? * 1e9) as i128;
        let at = Timestamp::from_nanosecond(nanoseconds).map_err(out_of_range)?;
        return Ok(at.to_zoned(zone.unwrap_or(TimeZone::UTC)));
    };
    let pieces = Pieces::parse(text).map_err(|_| unusable())?;
    let Some(time) = pieces.time() else {
        if !style.takes_dates {
            let failure = Failure::invalid(format!("`{filter}` needs a time, and this is a date alone"));
            return Err(failure.help("write `|dateformat`"));
        }
        // A day is the same day everywhere.
        return zoned(pieces.date().to_datetime(Time::midnight()), None);
    };
    let at = pieces.date().to_datetime(time);
    let annotated = pieces.to_time_zone_with(&ZONES).map_err(|_| unusable())?;
    let moment = match (pieces.to_numeric_offset(), annotated) {
        (Some(offset), annotated) => {
            let stamp = offset.to_timestamp(at).map_err(out_of_range)?;
            stamp.to_zoned(annotated.unwrap_or_else(|| TimeZone::fixed(offset)))
        }
        (None, Some(annotated)) => zoned(at, Some(annotated))?,
        // A time without a zone is one of the zone that is asked for.
        (None, None) => return zoned(at, zone),
    };
    Ok(match zone {
        Some(zone) => moment.with_time_zone(zone),
        None => moment,
    })
}
