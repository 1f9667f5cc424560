//! [`Editor`]: changes the templates in the database, each only if nobody else has changed it meanwhile.

use hotplate_actors::{NameError, TemplateName};
use tokio_postgres::{Client, Row};

/// The version that a template must have to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// It must not exist.
    None,
    /// It must have this version.
    At(i64),
}

/// A template in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredTemplate {
    /// Its name.
    pub name: String,
    /// Its version, which increases with each change.
    pub version: i64,
    /// The size of its text in bytes.
    pub bytes: i64,
    /// The role that has changed it last.
    pub changed_by: String,
}

/// A version of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// Its version.
    pub version: i64,
    /// Its text; `None` if it was deleted.
    pub text: Option<String>,
    /// The role that has made it.
    pub changed_by: String,
}

/// An error of an edit.
#[derive(Debug)]
#[non_exhaustive]
pub enum EditError {
    /// Somebody else has changed the template: it has this version now, or does not exist.
    Conflict {
        /// The version in the database.
        current: Option<i64>,
    },
    /// No template can have this name.
    Name(NameError),
    /// The database has refused, or cannot be reached.
    Database(tokio_postgres::Error),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict { current: Some(version) } => {
                write!(
                    f,
                    "somebody else has changed the template, which has version {version} now: read it again"
                )
            }
            Self::Conflict { current: None } => {
                f.write_str("the template does not exist: somebody else may have deleted it")
            }
            Self::Name(error) => error.fmt(f),
            Self::Database(error) => write!(f, "the database has refused the edit: {error}"),
        }
    }
}

impl std::error::Error for EditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Conflict { .. } => None,
            Self::Name(error) => Some(error),
            Self::Database(error) => Some(error),
        }
    }
}

impl From<tokio_postgres::Error> for EditError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

/// Changes the templates of everyone at the stage `stable`, or those of another tenant and stage, through a connection of the program. The
/// role needs `SELECT`, `INSERT`, `UPDATE` and `DELETE` on `hotplate_templates`, and `SELECT` on `hotplate_history`. What it changes is
/// served a moment later.
///
/// ```no_run
/// use hotplate_sources::postgres::{Editor, ExpectedVersion};
///
/// # async fn edit(client: tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let editor = Editor::new(&client);
/// let first = editor.put("hello.html", "Hello {name}!", ExpectedVersion::None).await?;
/// editor.put("hello.html", "Hi {name}!", ExpectedVersion::At(first)).await?;
/// # Ok(())
/// # }
/// ```
pub struct Editor<'c> {
    client: &'c Client,
    tenant: String,
    stage: String,
}

impl<'c> Editor<'c> {
    /// Creates an editor of the templates of everyone at the stage `stable`.
    #[must_use]
    pub fn new(client: &'c Client) -> Self {
        Self::of_layer(client, "", "stable")
    }

    /// Creates an editor of the templates of a tenant (empty for everyone) at a stage.
    #[must_use]
    pub fn of_layer(client: &'c Client, tenant: &str, stage: &str) -> Self {
        Self {
            client,
            tenant: tenant.to_owned(),
            stage: stage.to_owned(),
        }
    }

    /// Sets the text of a template, and returns its new version.
    ///
    /// # Errors
    /// [`EditError`]; nothing is changed then.
    pub async fn put(&self, name: &str, text: &str, expected: ExpectedVersion) -> Result<i64, EditError> {
        TemplateName::new(name).map_err(EditError::Name)?;
        let (tenant, stage) = (&self.tenant, &self.stage);
        let row = match expected {
            ExpectedVersion::None => {
                let insert = "INSERT INTO hotplate_templates (tenant, stage, name, text) VALUES ($1, $2, $3, $4) \
                              ON CONFLICT DO NOTHING RETURNING version";
                self.client.query_opt(insert, &[tenant, stage, &name, &text]).await?
            }
            ExpectedVersion::At(version) => {
                let update = "UPDATE hotplate_templates SET text = $4 \
                              WHERE tenant = $1 AND stage = $2 AND name = $3 AND version = $5 RETURNING version";
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [tenant, stage, &name, &text, &version];
                self.client.query_opt(update, &values).await?
            }
        };
        match row {
            Some(row) => Ok(row.get(0)),
            None => Err(self.conflict(name).await?),
        }
    }

    /// Deletes a template that has this version.
    ///
    /// # Errors
    /// [`EditError`]; nothing is changed then.
    pub async fn delete(&self, name: &str, version: i64) -> Result<(), EditError> {
        let delete = "DELETE FROM hotplate_templates WHERE tenant = $1 AND stage = $2 AND name = $3 AND version = $4";
        let deleted = self
            .client
            .execute(delete, &[&self.tenant, &self.stage, &name, &version])
            .await?;
        match deleted {
            0 => Err(self.conflict(name).await?),
            _ => Ok(()),
        }
    }

    /// Returns the templates by name, after one name, and no more than `most`.
    ///
    /// # Errors
    /// [`EditError::Database`].
    pub async fn list(&self, after: &str, most: u32) -> Result<Vec<StoredTemplate>, EditError> {
        let list = "SELECT name, version, octet_length(text)::bigint, changed_by FROM hotplate_templates \
                    WHERE tenant = $1 AND stage = $2 AND name > $3 ORDER BY name LIMIT $4";
        let rows = self
            .client
            .query(list, &[&self.tenant, &self.stage, &after, &i64::from(most)])
            .await?;
        let template = |row: &Row| StoredTemplate {
            name: row.get(0),
            version: row.get(1),
            bytes: row.get(2),
            changed_by: row.get(3),
        };
        Ok(rows.iter().map(template).collect())
    }

    /// Returns the kept versions of a template, newest first: the last 100.
    ///
    /// # Errors
    /// [`EditError::Database`].
    pub async fn history(&self, name: &str) -> Result<Vec<HistoryEntry>, EditError> {
        let history = "SELECT version, text, changed_by FROM hotplate_history \
                       WHERE tenant = $1 AND stage = $2 AND name = $3 ORDER BY version DESC LIMIT 100";
        let rows = self.client.query(history, &[&self.tenant, &self.stage, &name]).await?;
        let entry = |row: &Row| HistoryEntry {
            version: row.get(0),
            text: row.get(1),
            changed_by: row.get(2),
        };
        Ok(rows.iter().map(entry).collect())
    }

    async fn conflict(&self, name: &str) -> Result<EditError, EditError> {
        let query = "SELECT version FROM hotplate_templates WHERE tenant = $1 AND stage = $2 AND name = $3";
        let row = self
            .client
            .query_opt(query, &[&self.tenant, &self.stage, &name])
            .await?;
        Ok(EditError::Conflict {
            current: row.map(|row| row.get(0)),
        })
    }
}
