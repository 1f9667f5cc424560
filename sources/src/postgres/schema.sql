-- The tables of hotplate-sources, version 1. They can be created again over existing ones: nothing is lost.
-- A role that only serves needs: GRANT SELECT ON hotplate_templates, hotplate_history TO role;
-- A role that edits needs:      GRANT SELECT, INSERT, UPDATE, DELETE ON hotplate_templates TO role, and SELECT on hotplate_history.
BEGIN;

CREATE TABLE IF NOT EXISTS hotplate_templates (
    tenant     text        NOT NULL DEFAULT '',
    stage      text        NOT NULL DEFAULT 'stable' CHECK (stage IN ('stable', 'canary', 'experimental')),
    name       text        NOT NULL,
    text       text        NOT NULL,
    -- Increases by one with each change of this name. Set by a trigger.
    version    bigint      NOT NULL DEFAULT 0,
    -- The transaction of the last change. Set by a trigger.
    changed    bigint      NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT session_user,
    PRIMARY KEY (tenant, stage, name)
);
CREATE INDEX IF NOT EXISTS hotplate_templates_changed ON hotplate_templates (changed);

-- Each version of each name; text is null where it was deleted. The last 100 of a name are kept.
CREATE TABLE IF NOT EXISTS hotplate_history (
    tenant     text        NOT NULL,
    stage      text        NOT NULL,
    name       text        NOT NULL,
    version    bigint      NOT NULL,
    text       text,
    changed    bigint      NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text        NOT NULL DEFAULT session_user,
    PRIMARY KEY (tenant, stage, name, version)
);
CREATE INDEX IF NOT EXISTS hotplate_history_deleted ON hotplate_history (changed) WHERE text IS NULL;

CREATE OR REPLACE FUNCTION hotplate_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A row that gets another name continues the history of that name.
    IF TG_OP = 'INSERT' OR (OLD.tenant, OLD.stage, OLD.name) <> (NEW.tenant, NEW.stage, NEW.name) THEN
        SELECT coalesce(max(version), 0) + 1 INTO NEW.version FROM hotplate_history
            WHERE tenant = NEW.tenant AND stage = NEW.stage AND name = NEW.name;
    ELSE
        NEW.version := OLD.version + 1;
    END IF;
    NEW.changed := pg_current_xact_id()::text::bigint;
    NEW.changed_at := now();
    NEW.changed_by := session_user;
    RETURN NEW;
END $$;

-- A role that edits need not be able to write the history.
CREATE OR REPLACE FUNCTION hotplate_record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND (OLD.tenant, OLD.stage, OLD.name) <> (NEW.tenant, NEW.stage, NEW.name)) THEN
        INSERT INTO hotplate_history (tenant, stage, name, version, text, changed)
            VALUES (OLD.tenant, OLD.stage, OLD.name, OLD.version + 1, NULL, pg_current_xact_id()::text::bigint);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO hotplate_history (tenant, stage, name, version, text, changed)
            VALUES (NEW.tenant, NEW.stage, NEW.name, NEW.version, NEW.text, NEW.changed)
            ON CONFLICT (tenant, stage, name, version) DO UPDATE SET text = EXCLUDED.text, changed = EXCLUDED.changed;
        DELETE FROM hotplate_history
            WHERE tenant = NEW.tenant AND stage = NEW.stage AND name = NEW.name AND version <= NEW.version - 100;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION hotplate_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO hotplate_history (tenant, stage, name, version, text, changed)
        SELECT tenant, stage, name, version + 1, NULL, pg_current_xact_id()::text::bigint FROM hotplate_templates;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION hotplate_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One notification for each transaction, however many rows it changes.
    PERFORM pg_notify('hotplate_templates', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER hotplate_number BEFORE INSERT OR UPDATE ON hotplate_templates
    FOR EACH ROW EXECUTE FUNCTION hotplate_number();
CREATE OR REPLACE TRIGGER hotplate_record AFTER INSERT OR UPDATE OR DELETE ON hotplate_templates
    FOR EACH ROW EXECUTE FUNCTION hotplate_record();
CREATE OR REPLACE TRIGGER hotplate_truncate BEFORE TRUNCATE ON hotplate_templates
    FOR EACH STATEMENT EXECUTE FUNCTION hotplate_truncate();
CREATE OR REPLACE TRIGGER hotplate_notify AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hotplate_templates
    FOR EACH STATEMENT EXECUTE FUNCTION hotplate_notify();

COMMIT;
