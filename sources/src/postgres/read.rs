//! Reading what differs from the last sync, in one transaction.

use std::collections::HashSet;

use hotplate_actors::loader::{Changes, Depth, LoaderError, Supports};
use hotplate_actors::template::{Layer, Scope, Stage, Tenant};
use hotplate_actors::{Source, TemplateKey};
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Row, Transaction};

use super::connection::error;
use super::{Known, Options};
use crate::remarks::{Remarks, too_large};

/// The version of a row, as of the last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    version: i64,
    changed: i64,
    /// True if the text is not loaded, because it is too large.
    pub(super) is_faulty: bool,
}

/// The most rows that are loaded.
const ROWS_MAX: i64 = 1_000_000;
/// The most bytes of all texts together.
const ALL_BYTES_MAX: i64 = 1024 * 1024 * 1024;

/// The columns of a row. The text of one that is too large stays in the database.
const COLUMNS: &str = "tenant, stage, name, version, changed, octet_length(text)::bigint, \
                       CASE WHEN octet_length(text) <= $1 THEN text END";
/// The condition on rows that are loaded: of everyone at the stage `stable`, or all.
const LAYER: &str = "($2 OR (tenant = '' AND stage = 'stable')) AND left(name, length($3)) = $3";

/// Returns what differs from what is known, which it updates at the end: a sync that fails changes nothing.
pub(super) async fn read(
    client: &mut tokio_postgres::Client,
    options: &Options,
    known: &mut Known,
    depth: Depth,
    remarks: &mut Remarks,
) -> Result<Changes, LoaderError> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await
        .map_err(error)?;
    let prefix = match &options.supports {
        Supports::Prefix(prefix) => prefix.to_string(),
        _ => String::new(),
    };
    let reading = Reading {
        transaction: &transaction,
        limit: i32::try_from(options.text_bytes).unwrap_or(i32::MAX),
        layers: options.layers,
        prefix,
    };
    let not_over = reading.not_over().await?;
    let mut found = match (depth, known.not_over) {
        (Depth::Hinted, Some(since)) => reading.since(since, known, remarks).await?,
        (Depth::Hinted | Depth::Everything, _) => reading.all_versions(known, remarks).await?,
        _ => reading.all_texts(depth == Depth::Afresh, known, remarks).await?,
    };
    transaction.commit().await.map_err(error)?;
    if found.changes.complete {
        known.rows.clear();
    }
    for key in &found.changes.removed {
        known.rows.remove(key);
    }
    known.rows.extend(found.stamps);
    known.not_over = Some(not_over);
    known.latest = found.latest;
    found.changes.tag = (found.latest > 0).then(|| format!("transaction {}", found.latest).into());
    Ok(found.changes)
}

/// The result of reading.
struct Found {
    changes: Changes,
    /// The versions of the rows that are new or have changed.
    stamps: Vec<(TemplateKey, Stamp)>,
    /// The latest transaction that has changed a row.
    latest: i64,
}

struct Reading<'t> {
    transaction: &'t Transaction<'t>,
    limit: i32,
    layers: bool,
    prefix: String,
}

impl Reading<'_> {
    /// Returns the number of the oldest transaction that is not over: later syncs see changes of this one and newer ones only.
    async fn not_over(&self) -> Result<i64, LoaderError> {
        let query = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        let row = self.transaction.query_one(query, &[]).await.map_err(error)?;
        Ok(row.get(0))
    }

    /// Returns rows with their texts that fulfil a further condition.
    async fn texts(&self, condition: &str, value: &(dyn ToSql + Sync)) -> Result<Vec<Row>, LoaderError> {
        let query = format!("SELECT {COLUMNS} FROM hotplate_templates WHERE {LAYER} AND {condition}");
        let values: [&(dyn ToSql + Sync); 4] = [&self.limit, &self.layers, &self.prefix, value];
        self.transaction.query(&query, &values).await.map_err(error)
    }

    /// Returns what transactions have changed that were not over at the last sync.
    async fn since(&self, since: i64, known: &Known, remarks: &mut Remarks) -> Result<Found, LoaderError> {
        let changed = self.texts("changed >= $4", &since).await?;
        let deleted = "SELECT tenant, stage, name, max(changed) FROM hotplate_history AS gone \
                       WHERE text IS NULL AND changed >= $1 AND NOT EXISTS (SELECT FROM hotplate_templates AS now \
                       WHERE now.tenant = gone.tenant AND now.stage = gone.stage AND now.name = gone.name) \
                       GROUP BY tenant, stage, name";
        let deleted = self.transaction.query(deleted, &[&since]).await.map_err(error)?;
        let mut found = self.found(&changed, Changes::default(), known, remarks);
        for row in &deleted {
            let Some(key) = key(row, remarks) else { continue };
            if known.rows.contains_key(&key) {
                found.latest = found.latest.max(row.get(3));
                found.changes.removed.push(key);
            }
        }
        Ok(found)
    }

    /// Compares the versions of all rows, and reads the texts of those that differ.
    async fn all_versions(&self, known: &Known, remarks: &mut Remarks) -> Result<Found, LoaderError> {
        let versions = "SELECT tenant, stage, name, version, changed FROM hotplate_templates \
                        WHERE ($1 OR (tenant = '' AND stage = 'stable')) AND left(name, length($2)) = $2";
        self.check_size().await?;
        let listed = self
            .transaction
            .query(versions, &[&self.layers, &self.prefix])
            .await
            .map_err(error)?;
        let mut listed_keys = HashSet::with_capacity(listed.len());
        let mut differing = Vec::new();
        for row in &listed {
            let Some(key) = key(row, remarks) else { continue };
            let (version, changed): (i64, i64) = (row.get(3), row.get(4));
            let stamp = known.rows.get(&key);
            if stamp.is_none_or(|stamp| (stamp.version, stamp.changed) != (version, changed)) {
                differing.push(key.name.as_str().to_owned());
            }
            listed_keys.insert(key);
        }
        let gone = known.rows.keys().filter(|key| !listed_keys.contains(*key));
        let changes = Changes {
            removed: gone.cloned().collect(),
            ..Changes::default()
        };
        let texts = match differing.is_empty() {
            true => Vec::new(),
            // By name alone, so there may be rows of other layers among them, which have not changed.
            false => self.texts("name = ANY($4)", &differing).await?,
        };
        // Their names were remarked on above.
        Ok(self.found(&texts, changes, known, &mut Remarks::default()))
    }

    /// Reads all texts.
    async fn all_texts(&self, afresh: bool, known: &Known, remarks: &mut Remarks) -> Result<Found, LoaderError> {
        self.check_size().await?;
        let texts = self.texts("$4", &true).await?;
        if afresh {
            let changes = Changes {
                complete: true,
                ..Changes::default()
            };
            return Ok(self.found(&texts, changes, &Known::default(), remarks));
        }
        // Every text is reported, also one whose row has the same version: the Watcher compares their bytes.
        let mut found = self.found(&texts, Changes::default(), &Known::default(), remarks);
        let there: HashSet<&TemplateKey> = found.stamps.iter().map(|(key, _)| key).collect();
        let gone = known.rows.keys().filter(|key| !there.contains(key));
        found.changes.removed = gone.cloned().collect();
        Ok(found)
    }

    /// Checks the number and the size of all texts, before they are in memory.
    async fn check_size(&self) -> Result<(), LoaderError> {
        let query = "SELECT count(*), coalesce(sum(least(octet_length(text), $1)), 0)::bigint FROM hotplate_templates \
                     WHERE ($2 OR (tenant = '' AND stage = 'stable')) AND left(name, length($3)) = $3";
        let values: [&(dyn ToSql + Sync); 3] = [&self.limit, &self.layers, &self.prefix];
        let row = self.transaction.query_one(query, &values).await.map_err(error)?;
        let (rows, bytes): (i64, i64) = (row.get(0), row.get(1));
        if rows > ROWS_MAX || bytes > ALL_BYTES_MAX {
            return Err(LoaderError::new(format!(
                "the table has {rows} texts with {bytes} bytes, and at most {ROWS_MAX} with {ALL_BYTES_MAX} are loaded: use a prefix"
            )));
        }
        Ok(())
    }

    /// Adds the rows with other versions than those that are known to the changes.
    fn found(&self, texts: &[Row], mut changes: Changes, known: &Known, remarks: &mut Remarks) -> Found {
        let mut stamps = Vec::with_capacity(texts.len());
        let mut latest = known.latest;
        for row in texts {
            let Some(key) = key(row, remarks) else { continue };
            let text: Option<&str> = row.get(6);
            let stamp = Stamp {
                version: row.get(3),
                changed: row.get(4),
                is_faulty: text.is_none(),
            };
            latest = latest.max(stamp.changed);
            if known.rows.get(&key) == Some(&stamp) {
                continue;
            }
            stamps.push((key.clone(), stamp));
            match text {
                Some(text) => changes.changed.push(Source::new(key, text)),
                None => {
                    let bytes: i64 = row.get(5);
                    let limit = u64::try_from(self.limit).unwrap_or_default();
                    let fault = too_large(key, u64::try_from(bytes).unwrap_or_default(), limit);
                    changes.unreadable.push(fault);
                }
            }
        }
        Found {
            changes,
            stamps,
            latest,
        }
    }
}

/// Returns the key of a row, or remarks that it is left out.
fn key(row: &Row, remarks: &mut Remarks) -> Option<TemplateKey> {
    let (tenant, stage, name): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
    let tenant = match tenant {
        "" => None,
        id => match Tenant::new(id) {
            Ok(tenant) => Some(tenant),
            Err(error) => {
                remarks.add("bad-tenant", format!("a row is left out: {error}"));
                return None;
            }
        },
    };
    let stage = match stage {
        "canary" => Stage::Canary,
        "experimental" => Stage::Experimental,
        _ => Stage::Stable,
    };
    let name = remarks.name(name)?;
    Some(TemplateKey {
        layer: Layer::of(Scope { tenant, stage }),
        name,
    })
}
