//! A real server of PostgreSQL, which each test starts for itself.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use hotplate_actors::conformance::{Fixture, check};
use hotplate_actors::loader::{Depth, LoaderError};
use hotplate_actors::{Hotplate, Loader, LoaderState};
use hotplate_sources::postgres::{EditError, Editor, ExpectedVersion, PostgresLoader, SCHEMA};
use tokio_postgres::Client;

use super::{block, served, sync_once, wait_for, wait_until};

/// The user that runs the server, if this process is that of root: the server refuses root.
const NOBODY: u32 = 65_534;

/// A server with a database that has the tables.
struct Database {
    directory: tempfile::TempDir,
    programs: PathBuf,
    is_root: bool,
}

impl Database {
    /// Starts a server, or says `skipped`.
    fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        let directory = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .expect("a directory");
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
        if is_root {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("changes the owner");
        }
        let database = Self {
            directory,
            programs,
            is_root,
        };
        let data = database.data();
        database.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "owner",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        );
        database.switch(true);
        database.sql(SCHEMA);
        Some(database)
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.programs.join(program));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("LC_ALL", "C");
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let output = command.output().expect("runs");
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Starts or stops the server.
    fn switch(&self, on: bool) {
        let sockets = self.directory.path().display();
        let options = format!("-c listen_addresses='' -k {sockets} -c fsync=off -c max_connections=40");
        let (data, log) = (self.data(), self.directory.path().join("log").display().to_string());
        match on {
            true => self.run("pg_ctl", &["-D", &data, "-o", &options, "-l", &log, "-w", "start"]),
            false => self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]),
        };
    }

    fn address(&self, role: &str) -> String {
        let sockets = self.directory.path().display().to_string().replace('/', "%2F");
        format!("postgres://{role}@{sockets}/postgres")
    }

    /// Runs a function with a client of its own.
    fn with<T>(&self, role: &str, run: impl AsyncFnOnce(&mut Client) -> T) -> T {
        block(async {
            let connected = tokio_postgres::connect(&self.address(role), tokio_postgres::NoTls).await;
            let (mut client, connection) = connected.expect("connects");
            let driver = tokio::spawn(connection);
            let result = run(&mut client).await;
            driver.abort();
            result
        })
    }

    fn sql(&self, sql: &str) {
        self.with("owner", async |client| client.batch_execute(sql).await.expect("runs"));
    }

    fn loader_of(&self, role: &str) -> PostgresLoader {
        PostgresLoader::new(&self.address(role)).expect("a valid address")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let mut command = Command::new(self.programs.join("pg_ctl"));
        command.args(["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let _ = command.output();
    }
}

/// Returns the directory of the programs of PostgreSQL.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let has_all = |directory: &PathBuf| {
        ["initdb", "pg_ctl"]
            .iter()
            .all(|program| Path::new(directory).join(program).exists())
    };
    installed.chain(on_path).find(has_all)
}

impl Fixture for Database {
    fn loader(&self) -> Box<dyn Loader> {
        Box::new(self.loader_of("owner"))
    }

    fn edit(&mut self, edits: &[(&str, Option<&str>)]) {
        self.with("owner", async |client| {
            let transaction = client.transaction().await.expect("begins");
            for (name, text) in edits {
                let put = "INSERT INTO hotplate_templates (name, text) VALUES ($1, $2) \
                           ON CONFLICT (tenant, stage, name) DO UPDATE SET text = EXCLUDED.text";
                let delete = "DELETE FROM hotplate_templates WHERE name = $1";
                let done = match text {
                    Some(text) => transaction.execute(put, &[name, text]).await,
                    None => transaction.execute(delete, &[name]).await,
                };
                assert_eq!(done.expect("edits"), 1);
            }
            transaction.commit().await.expect("commits");
        });
    }

    fn set_down(&mut self, down: bool) -> bool {
        self.switch(!down);
        true
    }
}

#[test]
fn postgres_conforms() {
    if let Some(mut database) = Database::start() {
        check(&mut database);
    }
}

#[test]
fn a_read_only_role_serves_and_each_transaction_is_one_version() {
    let Some(mut database) = Database::start() else { return };
    database.sql("CREATE ROLE serve LOGIN; GRANT SELECT ON hotplate_templates, hotplate_history TO serve");
    database.edit(&[("a.html", Some("a1")), ("b.html", Some("b1"))]);
    let address = database.address("serve");
    let create = move || PostgresLoader::new(&address).expect("valid");
    let hotplate = Hotplate::builder().loader_with(create).start().expect("starts");
    let version = || hotplate.snapshot().version().number();
    let before = version();
    database.edit(&[("a.html", Some("a2")), ("b.html", None), ("c.html", Some("c2"))]);
    wait_for(&hotplate, "c.html", "c2");
    assert_eq!(
        (served(&hotplate, "a.html").as_deref(), served(&hotplate, "b.html")),
        (Some("a2"), None)
    );
    assert_eq!(version(), before + 1);
    // Nothing of a transaction that is rolled back is ever served.
    database.sql("BEGIN; UPDATE hotplate_templates SET text = 'never'; ROLLBACK");
    database.sql("TRUNCATE hotplate_templates; INSERT INTO hotplate_templates (name, text) VALUES ('d.html', 'd3')");
    wait_for(&hotplate, "d.html", "d3");
    wait_until(|| served(&hotplate, "a.html").is_none(), &|| {
        "truncated rows are gone".to_owned()
    });
    let tag = hotplate.health().loaders[0].tag.clone().unwrap_or_default();
    assert!(tag.starts_with("transaction "), "{tag}");
}

#[test]
fn a_transaction_that_commits_late_is_not_missed() {
    let Some(mut database) = Database::start() else { return };
    database.edit(&[("a.html", Some("a1"))]);
    let hotplate = Hotplate::builder()
        .loader(database.loader_of("owner"))
        .start()
        .expect("starts");
    block(async {
        let connected = tokio_postgres::connect(&database.address("owner"), tokio_postgres::NoTls).await;
        let (early, connection) = connected.expect("connects");
        let driver = tokio::spawn(connection);
        // It has the smaller number, and commits after the other.
        early
            .batch_execute("BEGIN; INSERT INTO hotplate_templates (name, text) VALUES ('early.html', 'early')")
            .await
            .expect("runs");
        let connected = tokio_postgres::connect(&database.address("owner"), tokio_postgres::NoTls).await;
        let (late, connection) = connected.expect("connects");
        let other = tokio::spawn(connection);
        late.batch_execute("INSERT INTO hotplate_templates (name, text) VALUES ('late.html', 'late')")
            .await
            .expect("runs");
        while served(&hotplate, "late.html").is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(served(&hotplate, "early.html"), None);
        early.batch_execute("COMMIT").await.expect("commits");
        driver.abort();
        other.abort();
    });
    wait_for(&hotplate, "early.html", "early");
}

#[test]
fn ended_connections_and_a_restart_cost_only_time() {
    let Some(mut database) = Database::start() else { return };
    database.edit(&[("a.html", Some("a1"))]);
    let address = database.address("owner");
    let create = move || {
        PostgresLoader::new(&address)
            .expect("valid")
            .timeout(Duration::from_secs(5))
    };
    let hotplate = Hotplate::builder().loader_with(create).start().expect("starts");
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hotplate'";
    database.sql(end);
    database.edit(&[("a.html", Some("a2"))]);
    wait_for(&hotplate, "a.html", "a2");
    database.set_down(true);
    wait_until(
        || hotplate.health().loaders[0].state == LoaderState::Unavailable,
        &|| "the outage is noticed".to_owned(),
    );
    assert_eq!(served(&hotplate, "a.html").as_deref(), Some("a2"));
    database.set_down(false);
    database.edit(&[("a.html", Some("a3"))]);
    wait_for(&hotplate, "a.html", "a3");
    // It is noted a moment after the version is served.
    wait_until(|| hotplate.health().loaders[0].error.is_none(), &|| {
        "the outage is over".to_owned()
    });
}

#[test]
fn bad_rows_are_named_and_the_others_are_served() {
    let Some(database) = Database::start() else { return };
    database.sql(
        "INSERT INTO hotplate_templates (name, text) VALUES ('good.html', 'good'), ('../bad.html', 'x'), ('large.html', repeat('x', 3000000)); \
         INSERT INTO hotplate_templates (tenant, stage, name, text) VALUES ('acme', 'stable', 'good.html', 'acme'), ('', 'canary', 'c.html', 'c')",
    );
    let mut loader = database.loader_of("owner");
    let changes = sync_once(&mut loader).expect("loads");
    assert_eq!(changes.changed.len(), 1);
    assert_eq!(&*changes.changed[0].text, "good");
    assert_eq!(changes.unreadable[0].1[0].code, "too-large");
    let remarks = loader.status().remarks;
    assert!(remarks[0].message.contains("bad.html"), "{remarks:?}");
    let mut all = database.loader_of("owner").all_layers();
    let changes = sync_once(&mut all).expect("loads");
    let mut keys: Vec<String> = changes
        .changed
        .iter()
        .map(|source| source.key.layer.to_string())
        .collect();
    keys.sort();
    assert_eq!(keys, ["shared", "shared@canary", "tenant acme"]);
}

#[test]
fn a_database_without_tables_or_privileges_says_what_to_do() {
    let Some(database) = Database::start() else { return };
    database.sql("CREATE ROLE nobody LOGIN");
    database.sql("CREATE DATABASE other");
    let error = sync_once(&mut database.loader_of("nobody")).expect_err("refused");
    assert!(matches!(error, LoaderError::Refused(_)), "{error}");
    assert!(error.to_string().contains("grant SELECT"), "{error}");
    let other = database.address("owner").replace("/postgres", "/other");
    let error = sync_once(&mut PostgresLoader::new(&other).expect("valid")).expect_err("refused");
    assert!(
        matches!(error, LoaderError::Refused(_)) && error.to_string().contains("SCHEMA"),
        "{error}"
    );
    let error = PostgresLoader::new("postgres://user:secret@host:port/x")
        .expect_err("invalid")
        .to_string();
    assert!(!error.contains("secret"), "{error}");
    let error = PostgresLoader::new("postgres://user@host/x?sslmode=require")
        .expect_err("refused")
        .to_string();
    assert!(error.contains("not encrypted"), "{error}");
    let described = PostgresLoader::new("postgres://user:secret@host:5433/x").expect("valid");
    assert_eq!(Loader::describe(&described), "postgres://host:5433/x");
}

#[test]
fn an_editor_changes_only_what_it_has_seen() {
    let Some(database) = Database::start() else { return };
    database.sql(
        "CREATE ROLE edit LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON hotplate_templates TO edit; GRANT SELECT ON hotplate_history TO edit",
    );
    database.with("edit", async |client| {
        let editor = Editor::new(client);
        let first = editor.put("a.html", "1", ExpectedVersion::None).await.expect("puts");
        let conflict = editor.put("a.html", "2", ExpectedVersion::None).await;
        assert!(matches!(conflict, Err(EditError::Conflict { current }) if current == Some(first)));
        let second = editor
            .put("a.html", "2", ExpectedVersion::At(first))
            .await
            .expect("puts");
        assert!(matches!(
            editor.delete("a.html", first).await,
            Err(EditError::Conflict { .. })
        ));
        editor.delete("a.html", second).await.expect("deletes");
        let gone = editor.put("a.html", "3", ExpectedVersion::At(second)).await;
        assert!(matches!(gone, Err(EditError::Conflict { current: None })));
        let again = editor.put("a.html", "4", ExpectedVersion::None).await.expect("puts");
        assert!(again > second + 1, "the deletion is a version");
        let history = editor.history("a.html").await.expect("lists");
        let texts: Vec<_> = history.iter().map(|entry| entry.text.as_deref()).collect();
        assert_eq!(texts, [Some("4"), None, Some("2"), Some("1")]);
        assert!(history.iter().all(|entry| entry.changed_by == "edit"), "{history:?}");
        let list = editor.list("", 10).await.expect("lists");
        assert_eq!((list.len(), list[0].version, list[0].bytes), (1, again, 1));
        assert!(matches!(
            editor.put("../a", "", ExpectedVersion::None).await,
            Err(EditError::Name(_))
        ));
        // The kept versions are bounded.
        let mut version = again;
        for number in 0..120 {
            let put = editor
                .put("a.html", &number.to_string(), ExpectedVersion::At(version))
                .await;
            version = put.expect("puts");
        }
        assert_eq!(editor.history("a.html").await.expect("lists").len(), 100);
    });
}

#[test]
fn the_schema_can_be_applied_again() {
    let Some(mut database) = Database::start() else { return };
    database.edit(&[("a.html", Some("a"))]);
    database.sql(SCHEMA);
    let changes = sync_once(&mut database.loader_of("owner")).expect("loads");
    assert_eq!(changes.changed.len(), 1);
}

#[test]
fn a_sync_after_a_hint_reads_only_what_has_changed() {
    let Some(mut database) = Database::start() else { return };
    database.sql("INSERT INTO hotplate_templates (name, text) SELECT 'p' || n || '.html', 'text' FROM generate_series(1, 1000) AS n");
    let mut loader = database.loader_of("owner");
    // The connection belongs to a runtime, so all syncs are in one.
    block(async {
        let first = loader.sync(Depth::Afresh).await.expect("loads");
        assert_eq!(first.changed.len(), 1000);
        assert!(loader.sync(Depth::Hinted).await.expect("loads").is_empty());
    });
    database.edit(&[("p7.html", Some("new")), ("p8.html", None)]);
    let changes = block(async { loader.sync(Depth::Everything).await.expect("loads") });
    assert_eq!((changes.changed.len(), changes.removed.len()), (1, 1));
}

/// Prints how long the start and an edit take: `cargo test -p hotplate-sources --all-features -- --ignored --nocapture figures`.
#[test]
#[ignore = "it prints figures and checks nothing"]
fn figures() {
    let Some(mut database) = Database::start() else { return };
    database.sql(
        "INSERT INTO hotplate_templates (name, text) SELECT 'p' || n || '.html', 'text ' || n FROM generate_series(1, 10000) AS n",
    );
    let began = std::time::Instant::now();
    let hotplate = Hotplate::builder()
        .loader(database.loader_of("owner"))
        .start()
        .expect("starts");
    println!("10,000 rows at the start: {:?}", began.elapsed());
    let mut took: Vec<Duration> = Vec::new();
    database.edit(&[("p1.html", Some("begin"))]);
    wait_for(&hotplate, "p1.html", "begin");
    block(async {
        let connected = tokio_postgres::connect(&database.address("owner"), tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("connects");
        let driver = tokio::spawn(connection);
        for number in 0..200 {
            let text = format!("edit {number}");
            let update = "UPDATE hotplate_templates SET text = $1 WHERE name = 'p1.html'";
            let began = std::time::Instant::now();
            client.execute(update, &[&text]).await.expect("updates");
            while served(&hotplate, "p1.html").as_deref() != Some(text.as_str()) {
                std::thread::yield_now();
            }
            took.push(began.elapsed());
        }
        driver.abort();
    });
    took.sort();
    println!(
        "from an UPDATE to the page: median {:?}, 99 % {:?}",
        took[100], took[198]
    );
}
