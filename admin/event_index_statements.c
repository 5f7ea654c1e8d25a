// The tables of the index, and all that is asked of them.
#include "admin/event_index_private.h"

// The state of an event is that of its worst delivery: 0 none, 1 delivered, 2 waiting, 3 failed.
const char index_schema[] =
    "CREATE TABLE meta(identity TEXT NOT NULL);"
    "CREATE TABLE positions(stream INTEGER, partition INTEGER, next_offset INTEGER NOT NULL,"
    " PRIMARY KEY(stream, partition)) WITHOUT ROWID;"
    "CREATE TABLE events(partition INTEGER, offset INTEGER, time_us INTEGER NOT NULL,"
    " space TEXT NOT NULL, type TEXT NOT NULL, source TEXT NOT NULL, subject TEXT, id TEXT NOT "
    "NULL, state INTEGER NOT NULL, PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX events_by_time ON events(space, time_us);"
    "CREATE INDEX events_by_type ON events(space, type, time_us);"
    "CREATE INDEX events_by_id ON events(id);"
    "CREATE TABLE deliveries(partition INTEGER, offset INTEGER, subscription TEXT, space TEXT,"
    " kind INTEGER NOT NULL, attempts INTEGER NOT NULL, status INTEGER NOT NULL, duration_us "
    "INTEGER NOT NULL, reason TEXT, answer BLOB, next_us INTEGER NOT NULL, node TEXT, time_us "
    "INTEGER NOT NULL, state INTEGER NOT NULL,"
    " PRIMARY KEY(partition, offset, space, subscription)) WITHOUT ROWID;"
    "CREATE INDEX deliveries_waiting ON deliveries(space, subscription, time_us, attempts)"
    " WHERE state = 2;"
    // Goes when the outcome that was noted last is gone from the log.
    "CREATE TABLE results(space TEXT, subscription TEXT, partition INTEGER NOT NULL,"
    " offset INTEGER NOT NULL, success_us INTEGER NOT NULL, success_id TEXT, success_source TEXT,"
    " error_us INTEGER NOT NULL, error_id TEXT, error_source TEXT, status INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, reason TEXT, answer BLOB,"
    " PRIMARY KEY(space, subscription)) WITHOUT ROWID;"
    "CREATE TABLE letters(partition INTEGER, offset INTEGER, time_us INTEGER NOT NULL,"
    " space TEXT NOT NULL, subscription TEXT NOT NULL, function TEXT, id TEXT NOT NULL, source "
    "TEXT "
    "NOT NULL, type TEXT NOT NULL, subject TEXT, reason TEXT, attempts INTEGER NOT NULL, status "
    "INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, event_partition "
    "INTEGER NOT NULL, event_offset INTEGER NOT NULL, answer BLOB, state INTEGER NOT NULL,"
    " PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX letters_by_time ON letters(space, time_us) WHERE state = 0;"
    "CREATE INDEX letters_by_subscription ON letters(space, subscription, time_us) WHERE state = 0;"
    "CREATE TABLE marks(partition INTEGER, offset INTEGER, state INTEGER NOT NULL, redrive TEXT,"
    " PRIMARY KEY(partition, offset)) WITHOUT ROWID;"
    "CREATE INDEX marks_by_redrive ON marks(redrive) WHERE redrive IS NOT NULL;";

// What runs now is nothing to be kept.
const char index_passing_schema[] =
    "PRAGMA temp_store = MEMORY;"
    "CREATE TEMP TABLE in_flight(space TEXT, subscription TEXT, node TEXT, lane INTEGER,"
    " count INTEGER NOT NULL, time_us INTEGER NOT NULL,"
    " PRIMARY KEY(space, subscription, node, lane)) WITHOUT ROWID";

#define EVENT_COLUMNS "partition, offset, time_us, type, source, subject, id, state"
#define LETTER_COLUMNS                                                                             \
    "partition, offset, time_us, subscription, function, id, source, type, subject, reason, "      \
    "attempts, status, first_us, last_us, event_partition, event_offset, answer"
#define BEFORE_CURSOR "(time_us, partition, offset) < (?1, ?2, ?3) AND time_us >= ?4"
#define NEWEST_FIRST " ORDER BY time_us DESC, partition DESC, offset DESC"
#define AFTER_PLACE "(time_us, partition, offset) > (?1, ?2, ?3) AND time_us >= ?4 AND time_us < ?5"
#define OLDEST_FIRST " ORDER BY time_us, partition, offset LIMIT ?6"

// Outcomes of one delivery may come out of order, from clocks that differ, or were wrong (?15 is
// the last time that is believed). A later attempt ends the waiting of an earlier one whatever the
// clocks say; attempts count from 1 again when a dead letter is redriven, so else the time decides.
// A time that has not come yet decides nothing against a later attempt.
#define IS_NEWER                                                                                   \
    "(deliveries.state = 2 AND excluded.attempts > deliveries.attempts) OR "                       \
    "CASE WHEN deliveries.time_us > ?15 "                                                          \
    "THEN excluded.state <> 2 OR excluded.attempts >= deliveries.attempts "                        \
    "ELSE excluded.time_us >= deliveries.time_us AND "                                             \
    "(excluded.time_us <= ?15 OR excluded.attempts >= deliveries.attempts) END"

const char *const index_statement_texts[INDEX_STATEMENT_COUNT] = {
    [INDEX_BEGIN] = "BEGIN IMMEDIATE",
    [INDEX_COMMIT] = "COMMIT",
    [INDEX_ROLLBACK] = "ROLLBACK",
    [INDEX_ADD_EVENT] =
        "INSERT OR REPLACE INTO events VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, coalesce((SELECT "
        "max(state) FROM deliveries WHERE partition = ?1 AND offset = ?2), 0))",
    [INDEX_ADD_DELIVERY] =
        "INSERT INTO deliveries VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
        "?14) "
        "ON CONFLICT DO UPDATE SET kind = excluded.kind, attempts = excluded.attempts, status = "
        "excluded.status, duration_us = excluded.duration_us, reason = excluded.reason, answer = "
        "excluded.answer, next_us = excluded.next_us, node = excluded.node, time_us = "
        "excluded.time_us, state = excluded.state WHERE " IS_NEWER,
    [INDEX_SET_EVENT_STATE] =
        "UPDATE events SET state = (SELECT max(state) FROM deliveries WHERE "
        "partition = ?1 AND offset = ?2) WHERE partition = ?1 AND offset = ?2",
    [INDEX_ADD_LETTER] =
        "INSERT OR REPLACE INTO letters VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
        "?13, ?14, ?15, ?16, ?17, ?18, coalesce((SELECT state FROM marks WHERE partition = ?1 AND "
        "offset = ?2), 0))",
    [INDEX_ADD_MARK] = "INSERT OR IGNORE INTO marks VALUES(?1, ?2, ?3, ?4)",
    [INDEX_MARK_LETTER] = "UPDATE letters SET state = ?3 WHERE partition = ?1 AND offset = ?2",
    [INDEX_SET_POSITION] = "INSERT OR REPLACE INTO positions VALUES(?1, ?2, ?3)",
    [INDEX_GET_POSITION] = "SELECT next_offset FROM positions WHERE stream = ?1 AND partition = ?2",
    [INDEX_TRIM_EVENTS] = "DELETE FROM events WHERE partition = ?1 AND offset < min(?2, (SELECT "
                          "min(offset) FROM events WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_DELIVERIES] =
        "DELETE FROM deliveries WHERE partition = ?1 AND offset < min(?2, (SELECT min(offset) FROM "
        "deliveries WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_LETTERS] = "DELETE FROM letters WHERE partition = ?1 AND offset < min(?2, (SELECT "
                           "min(offset) FROM letters WHERE partition = ?1) + ?3)",
    [INDEX_TRIM_MARKS] = "DELETE FROM marks WHERE partition = ?1 AND offset < min(?2, (SELECT "
                         "min(offset) FROM marks WHERE partition = ?1) + ?3)",
    [INDEX_LIST_EVENTS] = "SELECT " EVENT_COLUMNS " FROM events INDEXED BY events_by_time WHERE "
                          "space = ?5 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_LIST_EVENTS_OF_TYPE] =
        "SELECT " EVENT_COLUMNS
        " FROM events INDEXED BY events_by_type WHERE space = ?5 AND type = "
        "?6 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_FIND_EVENT] = "SELECT " EVENT_COLUMNS " FROM events INDEXED BY events_by_id WHERE id = "
                         "?1 AND space = ?2 AND (?3 IS NULL OR source = ?3) ORDER BY time_us DESC "
                         "LIMIT 1",
    [INDEX_LIST_DELIVERIES] =
        "SELECT subscription, space, kind, attempts, status, duration_us, reason, answer, next_us, "
        "node, time_us FROM deliveries WHERE partition = ?1 AND offset = ?2 ORDER BY space, "
        "subscription LIMIT 1000",
    [INDEX_LIST_LETTERS] =
        "SELECT " LETTER_COLUMNS " FROM letters INDEXED BY letters_by_time WHERE "
        "state = 0 AND space = ?5 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_LIST_LETTERS_OF_SUBSCRIPTION] =
        "SELECT " LETTER_COLUMNS " FROM letters INDEXED BY letters_by_subscription WHERE state = 0 "
        "AND space = ?5 AND subscription = ?6 AND " BEFORE_CURSOR NEWEST_FIRST,
    [INDEX_FIND_LETTER] =
        "SELECT " LETTER_COLUMNS " FROM letters WHERE partition = ?1 AND offset = "
        "?2 AND space = ?3 AND state = 0",
    [INDEX_NEXT_LETTERS] =
        "SELECT time_us, partition, offset FROM letters INDEXED BY letters_by_time WHERE state = 0 "
        "AND space = ?7 AND " AFTER_PLACE OLDEST_FIRST,
    [INDEX_NEXT_LETTERS_OF_SUBSCRIPTION] =
        "SELECT time_us, partition, offset FROM letters INDEXED BY letters_by_subscription WHERE "
        "state = 0 AND space = ?7 AND subscription = ?8 AND " AFTER_PLACE OLDEST_FIRST,
    [INDEX_COUNT_LETTERS] =
        "SELECT count(*) FROM letters WHERE state = 0 AND space = ?1 AND (?2 IS NULL OR "
        "subscription = ?2) AND time_us >= ?3 AND time_us < ?4",
    [INDEX_NOTE_SUCCESS] =
        "INSERT INTO results VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, NULL, NULL, 0, 0, NULL, NULL) "
        "ON CONFLICT DO UPDATE SET partition = ?3, offset = ?4, success_us = ?5, success_id = ?6, "
        "success_source = ?7 WHERE ?5 >= success_us OR success_us > ?8",
    [INDEX_NOTE_ERROR] =
        "INSERT INTO results VALUES(?1, ?2, ?3, ?4, 0, NULL, NULL, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
        "ON CONFLICT DO UPDATE SET partition = ?3, offset = ?4, error_us = ?5, error_id = ?6, "
        "error_source = ?7, status = ?8, attempts = ?9, reason = ?10, answer = ?11 "
        "WHERE ?5 >= error_us OR error_us > ?12",
    [INDEX_GET_RESULTS] =
        "SELECT success_us, success_id, success_source, error_us, error_id, error_source, status, "
        "attempts, reason, answer FROM results WHERE space = ?1 AND subscription = ?2",
    [INDEX_COUNT_WAITING] =
        "SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting WHERE state = 2 AND space = "
        "?1 AND subscription = ?2 AND time_us >= ?3 AND attempts > 0",
    [INDEX_TRIM_RESULTS] = "DELETE FROM results WHERE partition = ?1 AND offset < ?2",
    [INDEX_SET_IN_FLIGHT] =
        "INSERT INTO in_flight VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO "
        "UPDATE SET count = ?5, time_us = ?6 WHERE ?6 >= time_us OR time_us > ?7",
    [INDEX_REMOVE_IN_FLIGHT] = "DELETE FROM in_flight WHERE space = ?1 AND subscription = ?2 AND "
                               "node = ?3 AND lane = ?4 AND (time_us <= ?5 OR time_us > ?6)",
    [INDEX_FORGET_IN_FLIGHT] = "DELETE FROM in_flight WHERE time_us < ?1",
    [INDEX_GET_IN_FLIGHT] = "SELECT coalesce(sum(count), 0) FROM in_flight WHERE space = ?1 AND "
                            "subscription = ?2 AND time_us >= ?3",
    [INDEX_COUNT_MARKS] = "SELECT count(*) FROM marks WHERE redrive = ?1",
};
