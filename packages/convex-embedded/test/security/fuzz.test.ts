/** Random and hostile frames and bodies, sent to a process of its own: it never ends, and the next valid client works. */
import { once } from "node:events"
import { connect as dial } from "node:net"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, watch } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { randomOf } from "../random.ts"
import { connectFrame, openSocket } from "../raw.ts"
import { serve } from "../served.ts"

const SEED = 29
const random = randomOf(SEED)
const below = (limit: number): number => Math.floor(random() * limit)
const pick = <A>(list: ReadonlyArray<A>): A => list[below(list.length)]!

/** Parts of JSON text that no client sends, some of them no JSON. */
const hostileText = (): string => {
  const levels = pick([63, 64, 65, 73, 500, 5000, 60_000])
  return pick([
    () => "[".repeat(levels) + "]".repeat(levels),
    () => '{"a":'.repeat(levels) + "1" + "}".repeat(levels),
    () => "[".repeat(levels),
    () => `{"${"k".repeat(2000)}":1}`,
    () => `{${Array.from({ length: 3000 }, (_, i) => `"f${i}":0`).join()}}`,
    () => `[${"0,".repeat(20_000)}0]`,
    () => String.raw`{"__\u0070roto__":{"isAdmin":true}}`,
    () => '{"__proto__":{"name":"n"},"constructor":{"prototype":{"x":1}},"toString":1}',
    () => pick(['{"$integer":"?"}', '{"$bytes":7}', '{"$float":"AAAA"}', '{"$undefined":null}', '{"$commitTs":null}']),
    () => pick(["1e999", "-0", "123456789012345678901234567890", "null", '""', "true", '"\\ud800"']),
    () => JSON.stringify(Array.from({ length: below(200) }, () => String.fromCharCode(below(65_536))).join("")),
    () => JSON.stringify("x".repeat(300_000))
  ])()
}

const PATHS = [
  "counters:add",
  "counters:read",
  "messages:page",
  "messages:throughAction",
  "misc:echo",
  "messages:secretList",
  "schema:default",
  "__proto__:constructor",
  "toString",
  `${"a/".repeat(5000)}b:c`,
  ":",
  "\u0000"
]

/** Arguments of which some or all are hostile. */
const args = (): string =>
  pick([
    hostileText,
    () => `{"value":${hostileText()}}`,
    () => `{"name":${hostileText()}}`,
    () =>
      `{"channel":"c","paginationOpts":{"numItems":${hostileText()},"cursor":${hostileText()},"endCursor":${hostileText()}}}`,
    () => '{"name":"fuzz"}'
  ])()

const path = () => JSON.stringify(pick(PATHS))

const frame = (): string =>
  pick([
    hostileText,
    () => JSON.stringify(connectFrame()),
    () => `{"type":"Connect","sessionId":${hostileText()},"maxObservedTimestamp":${hostileText()}}`,
    () => `{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":${hostileText()}}`,
    () => `{"type":${pick(['"Mutation"', '"Action"'])},"requestId":${below(5)},"udfPath":${path()},"args":[${args()}]}`,
    () =>
      `{"type":"ModifyQuerySet","baseVersion":${below(2)},"newVersion":1,"modifications":[` +
      `{"type":"Add","queryId":${below(3)},"udfPath":${path()},"args":[${args()}],"journal":${hostileText()}}]}`,
    () => `{"type":"Event","event":${hostileText()}}`
  ])()

/** At times only the beginning of it, or with some bytes changed. */
const damaged = (text: string): Buffer => {
  const bytes = Buffer.from(text)
  if (random() < 0.15) return bytes.subarray(0, below(bytes.length))
  if (random() < 0.15) for (let i = 0; i < 5; i++) bytes[below(bytes.length)] = below(256)
  return bytes
}

const API = [
  "query",
  "mutation",
  "action",
  "function",
  "query_at_ts",
  "run/misc/echo",
  "run/",
  "storage/upload",
  "export"
]

const request = async (url: string): Promise<void> => {
  const { port } = new URL(url)
  const socket = dial(Number(port), "127.0.0.1")
  socket.on("error", () => undefined)
  await once(socket, "connect")
  const body = damaged(pick([hostileText, () => `{"path":${path()},"args":${args()}}`])())
  const authorization = random() < 0.2 ? `Authorization: Bearer ${"a.".repeat(below(2000))}\r\n` : ""
  const head = `POST /api/${pick(API)} HTTP/1.1\r\nHost: localhost\r\n${authorization}Content-Length: ${body.length}\r\n\r\n`
  socket.write(head)
  socket.write(body)
  if (random() < 0.3) socket.destroy()
  else await Promise.race([once(socket, "data"), once(socket, "close")])
  socket.destroy()
}

const ROUNDS = 60

describe("hostile input", () => {
  it(`never ends the process, and the next client works (seed ${SEED})`, async () => {
    const { child, url } = await serve({ userTimeLimit: 5000 })
    const client = connect({ url })
    const counter = watch(client, api.counters.read, { name: "n" })
    await counter.until((value) => value === 0)
    for (let round = 0; round < ROUNDS; round++) {
      const socket = await openSocket(url)
      if (random() < 0.8) socket.send(JSON.stringify(connectFrame()))
      for (let i = 0; i < 6; i++) socket.send(damaged(frame()), { binary: random() < 0.05 })
      await Promise.all([request(url), request(url)])
      if (random() < 0.5) socket.terminate()
      else socket.close()
      if (round % 10 !== 0) continue
      const value = await client.mutation(api.counters.add, { name: "n" })
      await counter.until((seen) => seen === value)
    }
    assert.equal(await connectHttp({ url }).query(api.counters.read, { name: "n" }), ROUNDS / 10)
    assert.equal(client.connectionState().connectionCount, 1, "the connection of another client was closed")
    assert.isNull(child.exitCode)
    assert.isNull(child.signalCode)
  })
})
