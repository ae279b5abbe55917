/** What OpenCode has of a prompt, read from its own database, so that nothing of ours is believed. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"

export interface OpenCodeRecord {
  /** User messages with this text: how often the prompt arrived whole. */
  readonly prompts: number
  /** The model's answer is there, and complete. */
  readonly finished: boolean
}

const prompts = `
  select distinct message.id from part join message on message.id = part.message_id
  where json_extract(message.data, '$.role') = 'user' and json_extract(part.data, '$.text') = ?`
const answers = `
  select json_extract(data, '$.finish') as finish, json_extract(data, '$.time.completed') as completed
  from message where json_extract(data, '$.parentID') = ? order by time_created desc, id desc limit 1`
const counts = {
  /** Also those that are not whole yet. */
  prompts: `select count(*) as count from message where json_extract(data, '$.role') = 'user'`,
  sessions: `select count(*) as count from session`
}

/** Where OpenCode keeps everything, below its data directory. */
const fileOf = (dataHome: string) => join(dataHome, "opencode", "opencode.db")

/** Before OpenCode has made its tables there is nothing. */
const reading = <A>(dataHome: string, none: A, read: (database: DatabaseSync) => A): Effect.Effect<A> =>
  Effect.try(() => {
    using database = new DatabaseSync(fileOf(dataHome), { readOnly: true, timeout: 5_000 })
    return read(database)
  }).pipe(Effect.orElseSucceed(() => none))

export const recordOf = (dataHome: string, text: string): Effect.Effect<OpenCodeRecord> =>
  reading(dataHome, { prompts: 0, finished: false }, (database) => {
    const found = database.prepare(prompts).all(text)
    const newest = found.map(({ id }) => database.prepare(answers).get(id ?? null))
    const finished = newest.some((row) => row?.["finish"] === "stop" && row["completed"] !== null)
    return { prompts: found.length, finished }
  })

/** How many OpenCode has stored so far. */
export const countOf = (dataHome: string, what: keyof typeof counts): Effect.Effect<number> =>
  reading(dataHome, 0, (database) => Number(database.prepare(counts[what]).get()?.["count"] ?? 0))
