//! [`Validators`]: `ETag` and `Last-Modified` of a file, computed without I/O from any metadata that a file can have.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{ETAG, EntityTag, HttpDate, LAST_MODIFIED};

/// The time resolution of file systems in nanoseconds, with a margin, and of file systems that count whole seconds (FAT counts two). A file
/// that changed more recently than that may change again without a visible difference in its metadata.
const TICK: i128 = 20_000_000;
const WHOLE_SECONDS_TICK: i128 = 2_000_000_000;
/// The last second that an HTTP date can express: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

/// The metadata of a file. Times are seconds since 1970, negative before, and nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Stamps {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// The time at which its content or metadata changed; programs cannot set it.
    changed: (i64, i64),
}

/// The validators of a version of a file (RFC 9110, 8.8).
#[derive(Debug, Clone, Default)]
pub(super) struct Validators {
    /// A strong tag; `None` while the file may still change without a visible difference.
    pub(super) etag: Option<EntityTag>,
    /// `None` for times that HTTP cannot express (before 1970, after 9999), for future times (RFC 9110, 8.8.2.1), and until the second
    /// of the modification has passed, so that the date is a strong validator (8.8.2.2).
    pub(super) modified: Option<SystemTime>,
}

impl Stamps {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanoseconds = metadata.modified().map_or(0, nanoseconds);
        let second = 1_000_000_000;
        let part = |part: i128| i64::try_from(part).unwrap_or_default();
        let modified = (
            part(nanoseconds.div_euclid(second)),
            part(nanoseconds.rem_euclid(second)),
        );
        Self {
            size: metadata.len(),
            modified,
            changed: modified,
            ..Self::default()
        }
    }

    fn bytes(&self) -> [u8; 56] {
        let mut bytes = [0; 56];
        let numbers = [
            self.device,
            self.inode,
            self.size,
            self.modified.0.cast_unsigned(),
            self.modified.1.cast_unsigned(),
            self.changed.0.cast_unsigned(),
            self.changed.1.cast_unsigned(),
        ];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }
}

impl Validators {
    /// Computes the validators of a file with these stamps at the time of a request.
    pub(super) fn new(stamps: &Stamps, now: SystemTime) -> Self {
        let now = nanoseconds(now);
        let (seconds, rest) = stamps.changed;
        let age = now - (i128::from(seconds) * 1_000_000_000 + i128::from(rest));
        let tick = if rest == 0 { WHOLE_SECONDS_TICK } else { TICK };
        // A digest does not reveal the numbers of the file system. The change time is included, so a file that is replaced by one
        // of the same size and modification time gets another tag.
        let etag = || EntityTag::new_strong(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&stamps.bytes())));
        let (second, _) = stamps.modified;
        let over = (0..=LAST_SECOND).contains(&second) && i128::from(second) < now.div_euclid(1_000_000_000);
        let since = Duration::from_secs(u64::try_from(second).unwrap_or_default());
        Self {
            etag: (!(0..tick).contains(&age)).then(etag),
            modified: over.then(|| UNIX_EPOCH.checked_add(since)).flatten(),
        }
    }

    /// Writes them into the headers of an answer.
    pub(super) fn describe(self, answer: &mut HttpResponseBuilder) {
        if let Some(etag) = self.etag {
            answer.insert_header((ETAG, etag));
        }
        if let Some(modified) = self.modified {
            answer.insert_header((LAST_MODIFIED, HttpDate::from(modified)));
        }
    }
}

/// Returns the nanoseconds since 1970, negative before.
fn nanoseconds(time: SystemTime) -> i128 {
    let signed = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => signed(since),
        Err(before) => -signed(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::HttpResponse;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW as u64)
    }

    fn file(modified: (i64, i64), changed: (i64, i64)) -> Stamps {
        Stamps {
            device: 1,
            inode: 2,
            size: 3,
            modified,
            changed,
        }
    }

    /// Returns true if there is a tag, and the date, both as in the headers.
    fn described(stamps: &Stamps) -> (bool, Option<String>) {
        let mut answer = HttpResponse::Ok();
        Validators::new(stamps, now()).describe(&mut answer);
        let answer = answer.finish();
        let date = answer.headers().get(LAST_MODIFIED);
        let date = date.map(|date| date.to_str().expect("text").to_owned());
        (answer.headers().contains_key(ETAG), date)
    }

    #[test]
    fn dates_that_http_cannot_express_are_left_out() {
        let old = (NOW - 1000, 7);
        for (modified, date) in [
            ((784_111_777, 0), Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            ((0, 0), Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            ((-1, 999_999_999), None),
            ((-2_147_483_648, 0), None),
            ((i64::MIN, 0), None),
            ((i64::MAX, 999_999_999), None),
            ((LAST_SECOND, 0), None),
            ((LAST_SECOND + 1, 0), None),
            // Its second has not passed.
            ((NOW, 0), None),
            ((NOW - 1, 999_999_999), Some("Fri, 15 Jan 2027 07:59:59 GMT")),
            ((NOW + 1, 0), None),
        ] {
            assert_eq!(
                described(&file(modified, old)),
                (true, date.map(str::to_owned)),
                "{modified:?}"
            );
        }
        // A wrong system clock.
        for clock in [
            UNIX_EPOCH,
            UNIX_EPOCH - Duration::from_secs(1 << 40),
            UNIX_EPOCH + Duration::from_secs(1 << 50),
        ] {
            for second in [i64::MIN, -1, 0, NOW, LAST_SECOND, i64::MAX] {
                let stamps = Stamps {
                    size: u64::MAX,
                    ..file((second, 0), (second, 999_999_999))
                };
                let mut answer = HttpResponse::Ok();
                Validators::new(&stamps, clock).describe(&mut answer);
            }
        }
    }

    #[test]
    fn a_recently_changed_file_has_no_tag() {
        let age = |age: i64| {
            file(
                (0, 0),
                (NOW - 1 - age / 1_000_000_000, 1_000_000_000 - age % 1_000_000_000),
            )
        };
        assert!(!described(&age(1_000_000)).0 && !described(&age(19_999_999)).0);
        assert!(described(&age(20_000_000)).0 && described(&age(900_000_000)).0);
        // A file system that counts whole seconds.
        let whole = |ago: i64| file((0, 0), (NOW - ago, 0));
        assert!(!described(&whole(0)).0 && !described(&whole(1)).0 && described(&whole(2)).0);
        // If the clock was set back, the change lies in the future.
        assert!(described(&whole(-5)).0);
    }

    #[test]
    fn a_tag_follows_every_stamp() {
        let tag = |stamps: &Stamps| Validators::new(stamps, now()).etag.expect("a tag");
        let base = file((5, 6), (7, 8));
        assert_eq!(tag(&base), tag(&base.clone()));
        assert!(!tag(&base).weak);
        for other in [
            Stamps {
                device: 9,
                ..base.clone()
            },
            Stamps {
                inode: 9,
                ..base.clone()
            },
            Stamps {
                size: 9,
                ..base.clone()
            },
            file((9, 6), (7, 8)),
            file((5, 9), (7, 8)),
            file((5, 6), (9, 8)),
            file((5, 6), (7, 9)),
        ] {
            assert_ne!(tag(&base), tag(&other), "{other:?}");
        }
    }
}
