import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import {
  type OpenCodeAssistantMessage,
  type AssistantWithParts,
  type MessageWithParts,
  type OpenCodeClient,
  type OpenCodeEvent,
  type OpenCodePart,
  promptText,
  type RecordedTurn,
  type TakenOverTurn,
  type TurnRemainder,
  turnOf,
  turnsOf,
  turnsOfPage,
  usageOf,
  visibleParts,
  withTakenOver
} from "../src/index.ts"
import { turnReader } from "../src/internal/turn/turnReader.ts"
import { isAnsweredAfter } from "../src/TurnRecord.ts"

const textPart = (content: string) => ({ type: "text" as const, text: content })
const agent = (name: string) => ({ type: "agent" as const, name })
const subtask = (prompt: string) => ({ type: "subtask" as const, prompt, description: "d", agent: "general" })
const synthetic = (content: string, metadata = {}) => ({ ...textPart(content), synthetic: true, metadata })

/** Builds chains as OpenCode 1.18 writes them, each message a millisecond after the one before. */
const builder = () => {
  const chain: Array<MessageWithParts> = []
  /** For each message of the assistant, the prompt that it belongs to. */
  const owners = new Map<string, string>()
  const prompts: Array<string> = []
  let count = 0
  const next = () => String((count += 1)).padStart(6, "0")
  const sessionID = "ses_1"

  const user = (...parts: ReadonlyArray<NewPart>) => {
    const id = `msg_${next()}`
    const stored = parts.map((part) => ({ ...part, id: `prt_${next()}`, sessionID, messageID: id }))
    chain.push({ info: { id, sessionID, role: "user", time: { created: count } }, parts: stored })
    return id
  }
  const ask = (id: string) => {
    prompts.push(id)
    return id
  }
  const owner = () => prompts.at(-1) ?? ""
  const assistant = (parentID: string, info: Partial<OpenCodeAssistantMessage>, texts: ReadonlyArray<string> = []) => {
    const id = `msg_${next()}`
    const message: AssistantWithParts = {
      info: {
        id,
        sessionID,
        role: "assistant",
        parentID,
        time: { created: count, completed: count },
        modelID: "echo",
        providerID: "scripted",
        mode: "build",
        agent: "build",
        path: { cwd: "/", root: "/" },
        cost: 0,
        tokens: { input: 1, output: 1, reasoning: 0, cache: { read: 0, write: 0 } },
        ...info
      },
      parts: texts.map((text) => ({ id: `prt_${next()}`, sessionID, messageID: id, type: "text", text }))
    }
    chain.push(message)
    owners.set(id, owner())
    return id
  }

  return {
    chain,
    owners,
    prompts,
    assistant,
    prompt: (content: string) => ask(user(textPart(content))),
    attached: (content: string) =>
      ask(
        user(textPart(content), {
          type: "file",
          mime: "image/png",
          filename: "x.png",
          url: "data:image/png;base64,AA=="
        })
      ),
    shell: () => {
      const id = ask(user(synthetic("The following tool was executed by the user")))
      assistant(id, {})
    },
    compact: () => {
      const id = ask(user({ type: "compaction", auto: false }))
      assistant(id, { summary: true, finish: "stop" }, ["SUMMARY"])
    },
    subtask: () => ask(user({ type: "subtask", prompt: "look", description: "d", agent: "general", command: "sub" })),
    /** A prompt with any parts. */
    asking: (...parts: ReadonlyArray<NewPart>) => ask(user(...parts)),
    summarize: () => user(synthetic("Summarize the task tool output above and continue with your task.")),
    compaction: (overflow: boolean) => user({ type: "compaction", auto: true, ...(overflow && { overflow }) }),
    /** A message that asks for no answer: nothing shows that no person wrote it. */
    context: () => ask(user(textPart("context of a plugin"))),
    notice: () => user({ ...textPart("3 tools were removed from the context"), ignored: true }),
    proceed: () => user(synthetic("Continue if you have next steps", { compaction_continue: true })),
    /** OpenCode repeats a prompt, with a text in place of each image. */
    repeat: (parts: ReadonlyArray<OpenCodePart>) =>
      user(
        ...parts.map((part) =>
          part.type === "file" ? textPart(`[Attached ${part.mime}: ${part.filename ?? "file"}]`) : part
        )
      )
  }
}
type NewPart = DistributiveOmit<OpenCodePart, "id" | "sessionID" | "messageID">
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Prompts with the steps that answer them, and what OpenCode does after each step; `cut`: it is killed in its summary. */
const Conversation = Schema.Array(
  Schema.Struct({
    kind: Schema.Literals(["prompt", "prompt", "prompt", "attached", "subtask", "shell", "compact", "context"]),
    text: Schema.Literals(["again", "more", "other"]),
    steps: Schema.Array(
      Schema.Struct({
        text: Schema.Literals(["", "looking", "found"]),
        after: Schema.Literals(["step", "compaction", "overflow", "notice"]),
        cut: Schema.Literals([false, false, false, true])
      })
    )
  })
)
type Conversation = typeof Conversation.Type

const write = (turns: Conversation) => {
  const b = builder()
  /** A server that was killed in a compaction goes on with it at the next prompt. */
  let pending: { readonly overflow: boolean; readonly asked: ReadonlyArray<OpenCodePart> } | undefined
  const partsOf = (id: string) => b.chain.find(({ info }) => info.id === id)?.parts ?? []
  const finishCompaction = (overflow: boolean, parent: string, asked: ReadonlyArray<OpenCodePart>) => {
    b.assistant(parent, { summary: true, finish: "stop" }, ["SUMMARY"])
    return overflow && asked.length > 0 ? b.repeat(asked) : b.proceed()
  }
  for (const { kind, steps, text: asking } of turns) {
    if (kind === "shell" || kind === "compact" || kind === "context") {
      if (pending === undefined) b[kind]()
      continue
    }
    let parent = kind === "prompt" ? b.prompt(asking) : kind === "attached" ? b.attached(asking) : b.subtask()
    if (pending !== undefined) {
      const { asked, overflow } = pending
      pending = undefined
      parent = finishCompaction(overflow, parent, asked)
    } else if (kind === "subtask") {
      b.assistant(parent, { finish: "tool-calls" })
      parent = b.summarize()
    }
    for (const { after, cut, text: said } of steps) {
      const overflow = after === "overflow"
      b.assistant(parent, overflow ? {} : { finish: "tool-calls" }, said === "" ? [] : [said])
      if (after === "step") continue
      if (after === "notice") {
        parent = b.notice()
        continue
      }
      const asked = partsOf(parent)
      const compaction = b.compaction(overflow)
      if (cut) {
        b.assistant(compaction, { summary: true })
        pending = { overflow, asked }
        break
      }
      parent = finishCompaction(overflow, compaction, asked)
    }
    if (pending === undefined) b.assistant(parent, { finish: "stop" }, [`answer to ${asking}`])
  }
  return b
}

const ids = (turns: ReadonlyArray<RecordedTurn>) =>
  turns.map(({ kind, messages, prompt }) => [kind, prompt.info.id, ...messages.map(({ info }) => info.id)])

const flags = (turns: ReadonlyArray<TakenOverTurn>) => turns.map(({ prompt, takenOver }) => [prompt.info.id, takenOver])

describe("turns of a record", () => {
  it.effect.prop(
    "give each message of the assistant to the person's request before it, in order, and count its usage once",
    { conversation: Conversation },
    ({ conversation }) =>
      Effect.sync(() => {
        const { chain, owners, prompts } = write(conversation)
        const turns = turnsOf(chain)
        assert.deepStrictEqual(
          turns.map(({ prompt }) => prompt.info.id),
          prompts
        )
        const found = turns.flatMap(({ messages, prompt }) => messages.map(({ info }) => [info.id, prompt.info.id]))
        assert.deepStrictEqual(found, [...owners])
        const input = turns.reduce((sum, { messages }) => sum + usageOf(messages).input, 0)
        assert.strictEqual(input, owners.size)
      })
  )

  it.effect.prop(
    "are the same for one prompt, read from that prompt on",
    { conversation: Conversation },
    ({ conversation }) =>
      Effect.sync(() => {
        const { chain } = write(conversation)
        for (const whole of turnsOf(chain)) {
          if (whole.kind !== "prompt") continue
          const { id } = whole.prompt.info
          const since = chain.slice(chain.findIndex(({ info }) => info.id === id))
          assert.deepStrictEqual(turnOf(since, id), whole)
        }
      })
  )

  it.effect.prop(
    "are the same in pages from the end, of any size",
    { conversation: Conversation, size: Schema.Literals([1, 2, 3, 5, 7]) },
    ({ conversation, size }) =>
      Effect.sync(() => {
        const { chain } = write(conversation)
        let remainder: TurnRemainder = []
        const turns: Array<RecordedTurn> = []
        for (let to = chain.length; to > 0; to -= size) {
          const from = Math.max(0, to - size)
          const [rest, complete] = turnsOfPage(remainder, chain.slice(from, to), from === 0)
          remainder = rest
          turns.push(...complete)
        }
        assert.deepStrictEqual(ids(turns.toReversed()), ids(turnsOf(chain)))
      })
  )

  it.effect.prop(
    "have the text that the events of the running turn bring",
    { conversation: Conversation },
    ({ conversation }) =>
      Effect.sync(() => {
        const { chain } = write(conversation)
        for (const { kind, messages, prompt } of turnsOf(chain)) {
          if (kind !== "prompt") continue
          const { id } = prompt.info
          const reader = turnReader(noClient, { sessionId: "ses_1", messageId: id, partId: "prt_x", text: "" })
          const events = chain.flatMap(eventsOf).map(reader.read)
          const live = events.flat().flatMap((event) => (event._tag === "TextDelta" ? [event.delta] : []))
          const stored = messages.flatMap(visibleParts).flatMap((part) => (part.type === "text" ? [part.text] : []))
          assert.deepStrictEqual(live, stored)
          const compactions = events
            .flat()
            .filter((event) => event._tag === "Compaction" && event.state === "completed")
          assert.strictEqual(
            compactions.length,
            messages.filter(({ info }) => info.summary === true && info.finish !== undefined).length
          )
        }
      })
  )

  // Messages that ask for no answer, after anomalyco/opencode#3433 (several in a row, before a prompt), #4431 (inside of a
  // tool), and #21524 (stored, answered together with the next prompt).
  it("that nothing answered are taken over by the next prompt that is answered, and by nothing otherwise", () => {
    const b = builder()
    const state = () => withTakenOver(turnsOf(b.chain)).map(({ messages, takenOver }) => [messages.length, takenOver])
    b.assistant(b.prompt("one"), { finish: "stop" })
    b.context()
    b.context()
    assert.deepStrictEqual(state(), [
      [1, false],
      [0, false],
      [0, false]
    ])
    b.shell()
    b.context()
    const two = b.prompt("two")
    assert.deepStrictEqual(state().slice(3), [
      [1, false],
      [0, false],
      [0, false]
    ])
    b.assistant(two, { finish: "stop" })
    assert.deepStrictEqual(state(), [
      [1, false],
      [0, false],
      [0, false],
      [1, false],
      [0, true],
      [1, false]
    ])
  })

  it.effect.prop(
    "are taken over the same in pages from the end, of any size",
    { conversation: Conversation, size: Schema.Literals([1, 2, 3, 5]) },
    ({ conversation, size }) =>
      Effect.sync(() => {
        const { chain } = write(conversation)
        const all = withTakenOver(turnsOf(chain))
        let found: ReadonlyArray<TakenOverTurn> = []
        let remainder: TurnRemainder = []
        for (let to = chain.length; to > 0; to -= size) {
          const from = Math.max(0, to - size)
          const [rest, complete] = turnsOfPage(remainder, chain.slice(from, to), from === 0)
          remainder = rest
          found = [...withTakenOver(complete.toReversed(), found[0]), ...found]
        }
        assert.deepStrictEqual(flags(found), flags(all))
      })
  )

  it("are headed by what the person did", () => {
    const b = builder()
    b.prompt("hello")
    b.subtask()
    b.compact()
    assert.deepStrictEqual(turnsOf(b.chain).map(promptText), ["hello", "/sub\nlook", "/compact"])
  })

  it("are headed by their attachments if they have no text", () => {
    const b = builder()
    b.attached("look at this")
    b.attached(" ")
    assert.deepStrictEqual(turnsOf(b.chain).map(promptText), ["look at this", "[Attached image/png: x.png]"])
  })

  it("do not begin with a prompt that OpenCode repeats, but with one of which a part differs", () => {
    for (const part of [agent, subtask]) {
      for (const [again, expected] of [
        ["same", 1],
        ["other", 2]
      ] as const) {
        const b = builder()
        b.assistant(b.asking(textPart("look"), part("same")), {})
        b.assistant(b.compaction(true), { summary: true, finish: "stop" }, ["SUMMARY"])
        b.assistant(b.asking(textPart("look"), part(again)), { finish: "stop" })
        assert.lengthOf(turnsOf(b.chain), expected, `${part("").type} ${again}`)
      }
    }
  })

  it("are answered after a prompt only by an answer to a later prompt", () => {
    const b = builder()
    const one = b.prompt("one")
    const after = (id: string) => isAnsweredAfter(turnsOf(b.chain), id)
    b.assistant(one, { finish: "stop" })
    assert.isFalse(after(one))
    b.shell()
    b.compact()
    const two = b.prompt("two")
    assert.isFalse(after(one))
    b.assistant(two, { finish: "stop" })
    assert.deepStrictEqual([after(one), after(two)], [true, false])
  })

  it("are taken over by a prompt that came before the end of their last step, once it is answered", () => {
    for (const [completed, expected] of [
      [100, true],
      [1, false],
      [undefined, false]
    ] as const) {
      const b = builder()
      const first = () => withTakenOver(turnsOf(b.chain))[0]?.takenOver
      const time = { created: 1, ...(completed !== undefined && { completed }) }
      b.assistant(b.prompt("work"), { finish: "stop", time })
      const steer = b.prompt("stop")
      assert.strictEqual(first(), false)
      b.assistant(steer, { finish: "stop" })
      assert.strictEqual(first(), expected)
    }
  })

  it("are complete in the page that shows where they begin", () => {
    const page = (b: ReturnType<typeof builder>, from: number) => {
      const [remainder, complete] = turnsOfPage([], b.chain.slice(from), false)
      return [remainder.map(({ info }) => b.chain.findIndex((message) => message.info.id === info.id)), ids(complete)]
    }

    const plain = builder()
    const one = plain.prompt("one")
    const before = plain.assistant(one, { finish: "stop" })
    const two = plain.prompt("two")
    const answer = plain.assistant(two, { finish: "stop" })
    plain.assistant(one, { finish: "stop" })
    // The late answer belongs to a turn of an older page.
    assert.deepStrictEqual(page(plain, 1), [[1, 4], [["prompt", two, answer]]])
    assert.deepStrictEqual(page(plain, 2), [[2, 3, 4], []])
    assert.strictEqual(plain.chain[1]?.info.id, before)

    for (const overflow of [false, true]) {
      const compacted = builder()
      compacted.assistant(compacted.prompt("one"), { finish: "tool-calls" })
      compacted.assistant(compacted.compaction(overflow), { summary: true, finish: "stop" }, ["SUMMARY"])
      const next = compacted.prompt("two")
      const reply = compacted.assistant(next, { finish: "stop" })
      // After a compaction because of its size it may be the prompt again.
      const expected = overflow ? [[2, 3, 4, 5], []] : [[2, 3], [["prompt", next, reply]]]
      assert.deepStrictEqual(page(compacted, 2), expected)
    }

    const cut = builder()
    cut.assistant(cut.prompt("one"), { finish: "tool-calls" })
    cut.compaction(true)
    cut.assistant(cut.prompt("one"), { summary: true, finish: "stop" }, ["SUMMARY"])
    // Between a compaction and its summary the prompt may be one that is repeated.
    assert.deepStrictEqual(page(cut, 1), [[1, 2, 3, 4], []])
  })

  it("leave out answers to a prompt that was removed", () => {
    const b = builder()
    b.assistant("msg_removed", { finish: "stop" }, ["lost"])
    const id = b.prompt("hello")
    b.assistant(id, { finish: "stop" }, ["hi"])
    b.assistant("msg_removed", { finish: "stop" }, ["late"])
    assert.deepStrictEqual(turnsOf(b.chain)[0]?.messages.length, 1)
  })
})

/** The events of a message, as OpenCode sends them: the message, its parts, and the message again. */
const eventsOf = ({ info, parts }: MessageWithParts): ReadonlyArray<OpenCodeEvent> => {
  const whole =
    info.role === "user" ? { ...info, agent: "build", model: { providerID: "scripted", modelID: "echo" } } : info
  const updated: OpenCodeEvent = { id: "evt", type: "message.updated", properties: { sessionID: "ses_1", info: whole } }
  const changed = parts.map((part): OpenCodeEvent => ({
    id: "evt",
    type: "message.part.updated",
    properties: { sessionID: "ses_1", part, time: 0 }
  }))
  return [updated, ...changed, updated]
}

/** Events alone must do. */
const noClient: OpenCodeClient = Object.create(null)
