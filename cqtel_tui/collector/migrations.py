"""What makes each version of the store's tables from the one before."""

from __future__ import annotations

MIGRATIONS = (
    """
    -- Who: SHA-256 of the cookie, or the hash of the address where there was no cookie.
    CREATE TABLE installations (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE
    ) STRICT;

    -- SHA-256 of each cookie that was erased: what comes late is dropped.
    CREATE TABLE erased (cookie BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

    -- What operations have in common, by which a report groups: a name, a version, a country ...
    -- Not a foreign key of what refers to it: each would need an index of its own.
    CREATE TABLE traits (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (kind, text)
    ) STRICT;

    -- All that a request says but its spans, as JSON; `digest` is BLAKE2 of it.
    CREATE TABLE contexts (
        id INTEGER PRIMARY KEY,
        installation INTEGER NOT NULL REFERENCES installations,
        digest BLOB NOT NULL,
        said TEXT NOT NULL,
        UNIQUE (installation, digest)
    ) STRICT;

    CREATE TABLE context_traits (
        context INTEGER NOT NULL REFERENCES contexts ON DELETE CASCADE,
        trait INTEGER NOT NULL,
        PRIMARY KEY (context, trait)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE arrivals (
        id INTEGER PRIMARY KEY,
        context INTEGER NOT NULL REFERENCES contexts,
        day INTEGER NOT NULL,       -- since 1970, of what is told
        received INTEGER NOT NULL   -- seconds since 1970
    ) STRICT;
    CREATE INDEX arrivals_of_context ON arrivals (context, day);

    CREATE TABLE spans (
        arrival INTEGER NOT NULL REFERENCES arrivals,
        number INTEGER NOT NULL,
        installation INTEGER NOT NULL,  -- as the arrival's, for the triggers
        day INTEGER NOT NULL,           -- as the arrival's
        trace_id BLOB NOT NULL,
        span_id BLOB NOT NULL,
        parent_id BLOB,             -- none: the operation itself
        name INTEGER NOT NULL,      -- a trait
        started INTEGER NOT NULL,   -- nanoseconds since 1970
        duration INTEGER NOT NULL,  -- nanoseconds
        bucket INTEGER NOT NULL,    -- of the duration
        failed INTEGER NOT NULL,
        exit_code INTEGER,
        error_type TEXT,
        PRIMARY KEY (arrival, number)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX spans_once ON spans (trace_id, span_id);

    -- Error texts, from debug mode alone; they go sooner than their spans.
    CREATE TABLE messages (
        arrival INTEGER NOT NULL,
        number INTEGER NOT NULL,
        day INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (arrival, number),
        FOREIGN KEY (arrival, number) REFERENCES spans ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX messages_by_day ON messages (day);

    -- How many, by day: spans of a name by the bucket of their duration; operations of any other
    -- trait in bucket -1.
    CREATE TABLE counts (
        trait INTEGER NOT NULL,
        bucket INTEGER NOT NULL,
        day INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        PRIMARY KEY (trait, bucket, day)
    ) STRICT, WITHOUT ROWID;

    -- The last day on which an installation had a trait. All periods end today, so that it had the
    -- trait in a period if that day is in it.
    CREATE TABLE seen (
        installation INTEGER NOT NULL,
        trait INTEGER NOT NULL,
        last_day INTEGER NOT NULL,
        PRIMARY KEY (installation, trait)
    ) STRICT, WITHOUT ROWID;

    -- How many installations had a trait last on a day. Summed up from a day on: how many had it in
    -- that period.
    CREATE TABLE recency (
        trait INTEGER NOT NULL,
        last_day INTEGER NOT NULL,
        installations INTEGER NOT NULL,
        PRIMARY KEY (trait, last_day)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE days (
        day INTEGER NOT NULL,
        installation INTEGER NOT NULL,
        spans INTEGER NOT NULL,
        operations INTEGER NOT NULL,
        failed INTEGER NOT NULL,    -- operations
        PRIMARY KEY (day, installation)
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER span_kept AFTER INSERT ON spans BEGIN
        INSERT INTO counts VALUES (NEW.name, NEW.bucket, NEW.day, 1, NEW.failed)
            ON CONFLICT DO UPDATE SET spans = spans + 1, failed = failed + excluded.failed;
        INSERT INTO seen VALUES (NEW.installation, NEW.name, NEW.day)
            ON CONFLICT DO UPDATE SET last_day = excluded.last_day
                WHERE excluded.last_day > last_day;
        INSERT INTO days VALUES (NEW.day, NEW.installation, 1, NEW.parent_id IS NULL,
                                 NEW.parent_id IS NULL AND NEW.failed)
            ON CONFLICT DO UPDATE SET spans = spans + 1,
                operations = operations + excluded.operations, failed = failed + excluded.failed;
    END;

    CREATE TRIGGER operation_kept AFTER INSERT ON spans WHEN NEW.parent_id IS NULL BEGIN
        INSERT INTO counts
            SELECT trait, -1, NEW.day, 1, NEW.failed FROM context_traits
            WHERE context = (SELECT context FROM arrivals WHERE id = NEW.arrival)
            ON CONFLICT DO UPDATE SET spans = spans + 1, failed = failed + excluded.failed;
        INSERT INTO seen
            SELECT NEW.installation, trait, NEW.day FROM context_traits
            WHERE context = (SELECT context FROM arrivals WHERE id = NEW.arrival)
            ON CONFLICT DO UPDATE SET last_day = excluded.last_day
                WHERE excluded.last_day > last_day;
    END;

    CREATE TRIGGER span_gone BEFORE DELETE ON spans BEGIN
        UPDATE counts SET spans = spans - 1, failed = failed - OLD.failed
            WHERE (trait, bucket, day) = (OLD.name, OLD.bucket, OLD.day);
        UPDATE days SET spans = spans - 1, operations = operations - (OLD.parent_id IS NULL),
                failed = failed - (OLD.parent_id IS NULL AND OLD.failed)
            WHERE (day, installation) = (OLD.day, OLD.installation);
    END;

    CREATE TRIGGER operation_gone BEFORE DELETE ON spans WHEN OLD.parent_id IS NULL BEGIN
        UPDATE counts SET spans = spans - 1, failed = failed - OLD.failed
            WHERE bucket = -1 AND day = OLD.day AND trait IN (
                SELECT trait FROM context_traits
                WHERE context = (SELECT context FROM arrivals WHERE id = OLD.arrival));
    END;

    CREATE TRIGGER counted_none AFTER UPDATE ON counts WHEN NEW.spans = 0 BEGIN
        DELETE FROM counts WHERE (trait, bucket, day) = (NEW.trait, NEW.bucket, NEW.day);
    END;

    CREATE TRIGGER seen_first AFTER INSERT ON seen BEGIN
        INSERT INTO recency VALUES (NEW.trait, NEW.last_day, 1)
            ON CONFLICT DO UPDATE SET installations = installations + 1;
    END;

    CREATE TRIGGER seen_again AFTER UPDATE ON seen BEGIN
        UPDATE recency SET installations = installations - 1
            WHERE (trait, last_day) = (OLD.trait, OLD.last_day);
        INSERT INTO recency VALUES (NEW.trait, NEW.last_day, 1)
            ON CONFLICT DO UPDATE SET installations = installations + 1;
    END;

    CREATE TRIGGER seen_no_more AFTER DELETE ON seen BEGIN
        UPDATE recency SET installations = installations - 1
            WHERE (trait, last_day) = (OLD.trait, OLD.last_day);
    END;

    CREATE TRIGGER recent_none AFTER UPDATE ON recency WHEN NEW.installations = 0 BEGIN
        DELETE FROM recency WHERE (trait, last_day) = (NEW.trait, NEW.last_day);
    END;

    -- An installation loses whole days: all of them when it is erased, its first ones by retention.
    CREATE TRIGGER day_gone AFTER UPDATE ON days WHEN NEW.spans = 0 BEGIN
        DELETE FROM days WHERE (day, installation) = (NEW.day, NEW.installation);
        DELETE FROM seen WHERE installation = NEW.installation AND last_day <= NEW.day;
    END;
    """,
    """
    -- How far retention goes: up to when, by a clock that is not believed to run faster than time.
    CREATE TABLE believed (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        time REAL NOT NULL,     -- seconds since 1970
        clock REAL NOT NULL     -- what the clock said then
    ) STRICT;

    -- Written anew to see whether there is room for a request.
    CREATE TABLE room (id INTEGER PRIMARY KEY CHECK (id = 1), filler BLOB NOT NULL) STRICT;
    """,
    """
    -- What was acknowledged is one row of `arrivals` with all its spans, and one of each trace.
    -- What a report reads is counted from these in batches: `settled` says how far that has got.
    DROP TRIGGER span_kept;
    DROP TRIGGER operation_kept;
    DROP TRIGGER span_gone;
    DROP TRIGGER operation_gone;

    ALTER TABLE arrivals ADD COLUMN trace TEXT NOT NULL DEFAULT '';  -- in hex, of its first span
    ALTER TABLE arrivals ADD COLUMN began INTEGER NOT NULL DEFAULT 0;  -- of its first span
    -- A list for each span: its id in hex; its parent's, or the number of that span in this list,
    -- or none for the operation itself; its name, a trait; when it began after `began`, and for how
    -- long, in nanoseconds; the bucket of that; 1 if it failed; and where there is more to say: its
    -- exit code, its error's type, and its trace in hex if it is of another.
    ALTER TABLE arrivals ADD COLUMN spans TEXT NOT NULL DEFAULT '[]';

    UPDATE arrivals SET
        trace = (SELECT lower(hex(trace_id)) FROM spans WHERE arrival = id ORDER BY number LIMIT 1),
        began = (SELECT started FROM spans WHERE arrival = id ORDER BY number LIMIT 1);
    UPDATE arrivals SET spans = (
        SELECT json_group_array(json_array(
            lower(hex(span_id)), CASE WHEN parent_id IS NOT NULL THEN lower(hex(parent_id)) END,
            name, started - began, duration, bucket, failed, exit_code, error_type,
            CASE WHEN lower(hex(trace_id)) != trace THEN lower(hex(trace_id)) END))
        FROM (SELECT * FROM spans WHERE arrival = arrivals.id ORDER BY number));

    -- Where to look for what came twice.
    CREATE TABLE traces (
        trace BLOB NOT NULL,
        arrival INTEGER NOT NULL,
        PRIMARY KEY (trace, arrival)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO traces SELECT DISTINCT trace_id, arrival FROM spans;

    CREATE TABLE settled (id INTEGER PRIMARY KEY CHECK (id = 1), arrival INTEGER NOT NULL) STRICT;
    INSERT INTO settled SELECT 1, ifnull(max(id), 0) FROM arrivals;

    ALTER TABLE messages RENAME TO messages_before;
    DROP INDEX messages_by_day;
    CREATE TABLE messages (
        arrival INTEGER NOT NULL REFERENCES arrivals ON DELETE CASCADE,
        number INTEGER NOT NULL,
        day INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (arrival, number)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO messages SELECT * FROM messages_before;
    DROP TABLE messages_before;
    CREATE INDEX messages_by_day ON messages (day);
    DROP TABLE spans;

    CREATE VIEW spans AS
        SELECT arrivals.id AS arrival, span.key AS number, installation, day,
            ifnull(json_extract(span.value, '$[9]'), trace) AS trace_id,
            json_extract(span.value, '$[0]') AS span_id,
            CASE WHEN typeof(json_extract(span.value, '$[1]')) = 'integer'
                THEN json_extract(spans, '$[' || json_extract(span.value, '$[1]') || '][0]')
                ELSE json_extract(span.value, '$[1]') END AS parent_id,
            json_extract(span.value, '$[2]') AS name,
            began + (json_extract(span.value, '$[3]')) AS started,
            json_extract(span.value, '$[4]') AS duration,
            json_extract(span.value, '$[5]') AS bucket,
            json_extract(span.value, '$[6]') AS failed,
            json_extract(span.value, '$[7]') AS exit_code,
            json_extract(span.value, '$[8]') AS error_type
        FROM arrivals JOIN contexts ON contexts.id = context, json_each(spans) AS span;
    """,
    """
    -- A span's list may have one more: the numbers of two traits for each field of its program's
    -- own, of which the second has the program, the key, and the value as JSON.
    CREATE VIEW own_fields AS
        SELECT arrivals.id AS arrival, span.key AS number, traits.text AS text
        FROM arrivals, json_each(spans) AS span, json_each(span.value, '$[10]') AS own
            JOIN traits ON traits.id = own.value AND kind = 'field value';
    """,
)
"""The first one makes the tables from nothing."""
