/** The least that is stored of a mutation, in a SQLite file with `synchronous = FULL`. */
import { DatabaseSync } from "node:sqlite"

export interface Tables {
  readonly insert: (id: string, document: unknown) => void
  /** `answer`: the result of the request as JSON text. */
  readonly commit: (answer: string) => void
}

const open = (file: string): DatabaseSync => {
  const db = new DatabaseSync(file)
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
  return db
}

/** The text of a document. */
export const text = "x".repeat(200)

/** One row of about 300 bytes in each commit. */
export const rowTable = (file: string): Tables => {
  const db = open(file)
  db.exec("CREATE TABLE rows(id INTEGER PRIMARY KEY, content TEXT NOT NULL)")
  const row = db.prepare("INSERT INTO rows(content) VALUES (?)")
  return {
    commit: () => undefined,
    insert: (_id, document) => void row.run(JSON.stringify(document))
  }
}

/** The bytes before the id in the key of an entry, in each of the four indexes of a table with two of its own. */
const INDEXES = [0, 9, 18, 14]

/** A document and its index entries; with the answer of the request and the time in the same commit. */
export const documentTables = (file: string, documents: number): Tables => {
  const db = open(file)
  db.exec("CREATE TABLE documents(number INTEGER PRIMARY KEY, json TEXT NOT NULL)")
  db.exec(
    "CREATE TABLE answers(session TEXT, request INTEGER, ts INTEGER, result TEXT, claim BLOB, PRIMARY KEY(session, request)) WITHOUT ROWID"
  )
  db.exec("CREATE TABLE clock(ts INTEGER); INSERT INTO clock VALUES (0)")
  for (const prefix of INDEXES) {
    db.exec(`CREATE TABLE index_${prefix}(key BLOB PRIMARY KEY, document INTEGER NOT NULL) WITHOUT ROWID`)
  }
  const begin = db.prepare("BEGIN IMMEDIATE")
  const commit = db.prepare("COMMIT")
  const row = db.prepare("INSERT INTO documents(json) VALUES (?)")
  const entries = INDEXES.map((prefix) => db.prepare(`INSERT INTO index_${prefix} VALUES (?, ?)`))
  const answer = db.prepare("INSERT INTO answers VALUES ('00000000-0000-0000-0000-000000000000', ?, ?, ?, ?)")
  const clock = db.prepare("UPDATE clock SET ts = ?")
  const claim = Buffer.alloc(32)
  let commits = 0
  const write = (id: string, document: unknown) => {
    const { lastInsertRowid } = row.run(JSON.stringify(document))
    for (const [i, entry] of entries.entries()) entry.run(Buffer.from("k".repeat(INDEXES[i]!) + id), lastInsertRowid)
  }
  begin.run()
  for (let i = 0; i < documents; i++) write(String(i - documents).padStart(31), { number: i, text })
  commit.run()
  return {
    commit: (result) => {
      answer.run(++commits, commits, result, claim)
      clock.run(commits)
      commit.run()
    },
    insert: (id, document) => {
      begin.run()
      write(id, document)
    }
  }
}
