/** OpenCode's own record of a prompt, read from its database without code of the product. */
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"

export interface OpenCodeRecord {
  /** User messages with the text of the prompt. */
  readonly prompts: number
  /** Messages of the model in its turn, without summaries. */
  readonly answers: number
  /** Whether the model's answer is complete. */
  readonly finished: boolean
}

const prompts = `
  select distinct message.id from part join message on message.id = part.message_id
  where json_extract(message.data, '$.role') = 'user' and json_extract(part.data, '$.text') = ?`
/** OpenCode adds user messages to a turn. The prompts of the harness are identified by their text. */
const answers = `
  with asked as (
    select id, session_id, time_created,
      exists (select 1 from part where message_id = message.id and json_extract(data, '$.text') glob 'prompt-[0-9]*') as is_ours
    from message where json_extract(data, '$.role') = 'user'
  ), turn as (
    select own.id from asked as prompt join asked as own on own.session_id = prompt.session_id
    where prompt.id = ? and (own.id = prompt.id or (not own.is_ours
      and (own.time_created, own.id) > (prompt.time_created, prompt.id)
      and not exists (select 1 from asked as later where later.session_id = prompt.session_id and later.is_ours
        and (later.time_created, later.id) > (prompt.time_created, prompt.id)
        and (later.time_created, later.id) < (own.time_created, own.id))))
  )
  select json_extract(data, '$.finish') as finish, json_extract(data, '$.time.completed') as completed
  from message where json_extract(data, '$.parentID') in (select id from turn)
    and coalesce(json_extract(data, '$.summary'), 0) = 0
  order by time_created, id`
const counts = {
  /** Incomplete prompts included. */
  prompts: `select count(*) as count from message where json_extract(data, '$.role') = 'user'`,
  sessions: `select count(*) as count from session`
}

/** The database, below OpenCode's data directory. */
const fileOf = (dataHome: string) => join(dataHome, "opencode", "opencode.db")

/** Before OpenCode has created its tables, the record is empty. */
const reading = <A>(dataHome: string, none: A, read: (database: DatabaseSync) => A): Effect.Effect<A> =>
  Effect.try(() => {
    using database = new DatabaseSync(fileOf(dataHome), { readOnly: true, timeout: 5_000 })
    return read(database)
  }).pipe(Effect.orElseSucceed(() => none))

export const recordOf = (dataHome: string, text: string): Effect.Effect<OpenCodeRecord> =>
  reading(dataHome, { prompts: 0, answers: 0, finished: false }, (database) => {
    const found = database.prepare(prompts).all(text)
    const turns = found.map(({ id }) => database.prepare(answers).all(id ?? null))
    const finished = turns.some((rows) => {
      const newest = rows.at(-1)
      return newest?.["finish"] === "stop" && newest["completed"] !== null
    })
    return { prompts: found.length, answers: turns.flat().length, finished }
  })

/** Rows that OpenCode has stored so far. */
export const countOf = (dataHome: string, what: keyof typeof counts): Effect.Effect<number> =>
  reading(dataHome, 0, (database) => Number(database.prepare(counts[what]).get()?.["count"] ?? 0))
