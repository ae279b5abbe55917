/** Anonymous clients against the memory of a deployment: each kind of what a connection can make it hold, with many connections. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { connect as dial } from "node:net"
import { anyApi } from "convex/server"
import { assert, describe, it, onTestFinished } from "vitest"
import { WebSocket } from "ws"
import { connect } from "../deployment.ts"
import { project } from "../project.ts"
import { connectFrame, openSocket } from "../raw.ts"
import { serve } from "../served.ts"

const MiB = 1024 * 1024

/** The limit of the counted memory of all connections. */
const COUNTED = 64 * MiB

/** The accepted growth of the process: counted memory, parsed values, copies, and garbage. */
const BOUND = 768 * MiB

const FUNCTIONS = `
  import { mutation, query } from "./_generated/server"
  export const large = query((_, { which }) => String(which).padEnd(15 * 1024 * 1024, "x"))
  export const small = query((_, { text }) => text.length)
  export const echo = mutation((_, { text }) => text)
`

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024

const add = (queryId: number, udfPath: string, args: object) => ({ args: [args], queryId, type: "Add", udfPath })

const subscribe = (modifications: ReadonlyArray<object>, baseVersion = 0) =>
  JSON.stringify({ baseVersion, modifications, newVersion: baseVersion + 1, type: "ModifyQuerySet" })

interface Hostile {
  readonly socket: WebSocket
  readonly closed: Promise<[number, Buffer]>
  /** Resolves when what was sent has left, or the connection is closed. */
  readonly send: (message: string, options?: { fin?: boolean }) => Promise<unknown>
}

/** Connected, and reading nothing if it is `deaf`. */
const hostile = async (url: string, isDeaf = false): Promise<Hostile> => {
  const socket = await openSocket(url)
  const closed = once(socket, "close") as Promise<[number, Buffer]>
  if (isDeaf) socket.pause()
  const send: Hostile["send"] = (message, options) => {
    const left = new Promise((resolve) => socket.send(message, { fin: true, ...options }, resolve))
    return Promise.race([left, closed])
  }
  await send(JSON.stringify(connectFrame()))
  return { closed, send, socket }
}

const text = (characters: number) => "x".repeat(characters)

/** The beginning of a request whose body never ends. */
const unfinishedBody = async (url: string, bytes: number): Promise<void> => {
  const { port } = new URL(url)
  const socket = dial(Number(port), "127.0.0.1")
  socket.on("error", () => undefined)
  onTestFinished(() => void socket.destroy())
  const head = `POST /api/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${bytes + 1}\r\n\r\n`
  await Promise.race([
    new Promise<void>((resolve) => void socket.write(head + text(bytes), () => resolve())),
    once(socket, "close")
  ])
}

const times = async (count: number, attack: (i: number) => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < count; i++) await attack(i)
}

const echo = (requestId: number) =>
  JSON.stringify({ args: [{ text: text(900_000) }], requestId, type: "Mutation", udfPath: "attack:echo" })

const attacks: Record<string, (url: string) => Promise<unknown>> = {
  "large results of one connection": async (url) => {
    const { closed, send } = await hostile(url)
    await send(subscribe(Array.from({ length: 1000 }, (_, which) => add(which, "attack:large", { which }))))
    assert.match((await closed)[1].toString(), /^(SubscriptionsTooLarge|TooManyConcurrentRequests): /)
  },
  "large arguments of one connection": async (url) => {
    const { closed, send } = await hostile(url)
    await times(12, (i) => send(subscribe([add(i, "attack:small", { text: text(10 * MiB) + i })], i)))
    await closed
  },
  "results of many connections": (url) =>
    times(6, async (i) => {
      const { closed, send, socket } = await hostile(url)
      const answered = once(socket, "message")
      await send(subscribe([0, 1].map((which) => add(which, "attack:large", { which: i * 2 + which }))))
      await Promise.race([answered, closed])
    }),
  "answers that many connections do not read": async (url) => {
    const sockets = await Promise.all(Array.from({ length: 6 }, () => hostile(url, true)))
    await Promise.all(sockets.map(({ send }) => times(40, (requestId) => send(echo(requestId)))))
  },
  "messages without an end": (url) => times(12, async () => (await hostile(url)).send(text(15 * MiB), { fin: false })),
  "bodies without an end": (url) => times(12, () => unfinishedBody(url, 15 * MiB)),
  "messages that are large once they are parsed": async (url) => {
    const message = subscribe([]).replace("[]", `[${"{},".repeat(6 * MiB)}{}]`)
    const { closed, send } = await hostile(url)
    await send(message)
    assert.include([1009, 1013], (await closed)[0])
    const answer = await fetch(`${url}/api/query`, { body: message, method: "POST" })
    assert.include([413, 503], answer.status)
  }
}

/** `pnpm test:full` runs all. */
const isFull = process.env["TEST_FULL"] !== undefined
const representative = "large arguments of one connection"

describe.runIf(process.platform === "linux")("anonymous clients", () => {
  for (const [what, attack] of Object.entries(attacks)) {
    it.runIf(isFull || what === representative)(
      `cannot use more than ${BOUND / MiB} MiB by ${what}`,
      { timeout: 120_000 },
      async () => {
        const { child, url } = await serve({
          connectionMemory: COUNTED,
          functions: project({ "attack.ts": FUNCTIONS })
        })
        const bystander = connect({ url })
        assert.equal(await bystander.mutation(anyApi["attack"]!["echo"]!, { text: "before" }), "before")
        const before = residentBytes(child.pid!)
        let most = 0
        const watch = setInterval(() => (most = Math.max(most, residentBytes(child.pid!))), 20)
        onTestFinished(() => clearInterval(watch))
        await attack(url)
        assert.equal(await bystander.mutation(anyApi["attack"]!["echo"]!, { text: "after" }), "after")
        clearInterval(watch)
        assert.isBelow(most - before, BOUND)
      }
    )
  }
})
