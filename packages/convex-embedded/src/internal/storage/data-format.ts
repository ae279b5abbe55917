/** The format of the data file: its tables, its marks in the header, and the migration from the previous format. */
import type { DatabaseSync } from "node:sqlite"

/** Marks files of this package in their header. */
export const APPLICATION_ID = 0x43564542
export const FORMAT = 4
/** Files with an older format are rejected. */
export const OLDEST_FORMAT = 3

export const formatOf = (db: DatabaseSync): number => Number(db.prepare("PRAGMA user_version").get()!["user_version"])

/** A file without tables has no format yet. */
export const isFresh = (db: DatabaseSync): boolean => formatOf(db) === 0

const MARKS = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT};`

const SECRETS = "CREATE TABLE secrets(name TEXT PRIMARY KEY, value BLOB NOT NULL);"

const TABLES = `
  CREATE TABLE clock(ts INTEGER NOT NULL, creation_time REAL NOT NULL);
  INSERT INTO clock VALUES (0, 0);
  CREATE TABLE tables(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, validator TEXT);
  CREATE TABLE indexes(
    id INTEGER PRIMARY KEY, table_number INTEGER NOT NULL, name TEXT NOT NULL, fields TEXT NOT NULL,
    UNIQUE(table_number, name)
  );
  CREATE TABLE documents(number INTEGER PRIMARY KEY, json TEXT NOT NULL);
  CREATE TABLE files(id TEXT PRIMARY KEY, content BLOB NOT NULL);
  CREATE TABLE requests(
    session_id TEXT NOT NULL, request_id INTEGER NOT NULL, ts INTEGER NOT NULL, result TEXT NOT NULL, claim BLOB,
    PRIMARY KEY(session_id, request_id)
  ) WITHOUT ROWID;
  ${SECRETS}
`

/** Format 3 had no secrets, and no claims of answers. */
const FROM_3 = `ALTER TABLE requests ADD COLUMN claim BLOB; ${SECRETS}`

/** Migrates a checked file to this format, within the current SQLite transaction. */
export const applyFormat = (db: DatabaseSync): void => {
  const format = formatOf(db)
  if (format === FORMAT) return
  db.exec((format === 0 ? TABLES : FROM_3) + MARKS)
}
