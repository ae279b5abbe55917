/** Values that are nested so deeply that they cannot be cloned, stored or written as JSON: each way in refuses them. */
import { once } from "node:events"
import { anyApi } from "convex/server"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deploy, watch } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"
import { project } from "../project.ts"
import { connectFrame, nextMessage, openSocket, post } from "../raw.ts"
import { serve } from "../served.ts"

/** JSON text of so many lists, each in the one before. */
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels)

const TOO_NESTED = /Value is too nested \(nested 65 levels deep > maximum nesting 64\)/

const HOSTILE = 5000

describe("nesting", () => {
  it("a deeply nested request of 30 kB does not end the process, over HTTP or WebSocket, also when its thread is replaced", async () => {
    const { child, url } = await serve({ userTimeLimit: 300 })
    const args = `{"value":${nested(HOSTILE)}}`
    for (const kind of ["query", "mutation", "action", "function"]) {
      const { status, text } = await post(url, `/api/${kind}`, `{"path":"misc:echo","args":${args}}`)
      assert.equal(status, 560, kind)
      assert.match(text, kind === "query" || kind === "action" ? /Trying to execute/ : TOO_NESTED)
    }
    assert.match((await post(url, "/api/run/misc/echo", `{"args":${args}}`)).text, TOO_NESTED)
    assert.match((await post(url, "/api/query", `{"path":"counters:read","args":${args}}`)).text, TOO_NESTED)

    const socket = await openSocket(url)
    socket.send(JSON.stringify(connectFrame()))
    for (const type of ["Mutation", "Action"]) {
      const answered = nextMessage(socket, (message) => message.type === `${type}Response`)
      const path = type === "Mutation" ? "misc:echo" : "messages:throughAction"
      socket.send(`{"type":"${type}","requestId":1,"udfPath":"${path}","args":[${args}]}`)
      const { result, success } = await answered
      assert.isFalse(success)
      assert.match(String(result), TOO_NESTED)
    }
    const answered = nextMessage(socket, ({ type }) => type === "Transition")
    const add = `{"type":"Add","queryId":0,"udfPath":"counters:read","args":[${args}]}`
    socket.send(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[${add}]}`)
    assert.match((await answered).modifications?.[0]?.errorMessage ?? "", TOO_NESTED)

    // A thread that is replaced rejects all that waits for it.
    const client = connect({ url })
    const stuck = await client.mutation(api.stuck.writing, { name: "n" }).catch((cause: Error) => cause.message)
    assert.include(String(stuck), "timed out")
    assert.equal(await client.mutation(api.counters.add, { name: "n" }), 1)
    assert.isNull(child.exitCode)
    child.kill("SIGTERM")
    await once(child, "exit")
    assert.equal(child.signalCode, "SIGTERM", "it ended by the signal, not by a failure")
  })

  it("a frame of brackets closes its connection, and a body of brackets is rejected", async () => {
    const { url } = await deploy()
    const brackets = "[".repeat(4 * 1024 * 1024)
    assert.equal((await post(url, "/api/query", brackets)).status, 400)
    const socket = await openSocket(url)
    socket.send(brackets)
    assert.equal(((await once(socket, "close")) as [number])[0], 1008)
  })

  it("arguments may have 64 levels, including their list, as in Convex", async () => {
    const client = connectHttp(await deploy())
    const echo = (levels: number) =>
      client.mutation(api.misc.echo, { value: JSON.parse(nested(levels)) as unknown }).then(JSON.stringify, String)
    assert.equal(await echo(62), nested(62))
    assert.match(await echo(63), TOO_NESTED)
    assert.match(await echo(63), /Invalid arguments for misc:echo/)
  })

  it("nested, scheduled, returned, thrown and imported values have the same limit", async () => {
    const adminKey = "0123456789abcdef"
    const deployment = await deploy({ adminKey, functions: project({ "deep.ts": DEEP }) })
    const client = connect(deployment)
    const failureOf = (name: string, kind: "mutation" | "action" | "query" = "mutation") =>
      (client[kind] as (reference: unknown, args: object) => Promise<unknown>)(anyApi["deep"]![name]!, {}).then(
        (value) => assert.fail(`it gave ${JSON.stringify(value).slice(0, 100)}`),
        (cause: Error) => cause.message
      )
    for (const name of ["call", "callAction", "schedule", "give", "giveAction", "fail", "store"]) {
      assert.match(await failureOf(name, name.endsWith("Action") ? "action" : "mutation"), /too nested/, name)
    }
    const watched = watch(client, anyApi["deep"]!["watched"]!, {})
    assert.match(String(await watched.until(() => true)), /too nested/)
    assert.match(await failureOf("strange", "query"), /a value that cannot be shown/)

    const answer = await fetch(`${deployment.url}/api/import?table=things`, {
      body: `{"value":${nested(HOSTILE)}}\n`,
      headers: { authorization: `Convex ${adminKey}` },
      method: "POST"
    })
    assert.equal(answer.status, 400)
    assert.match(await answer.text(), /Line 1: .*too nested/)
    assert.equal(await client.mutation(anyApi["deep"]!["fine"]!, {}), null)
  })
})

const DEEP = `
  import { ConvexError } from "convex/values"
  import { anyApi } from "convex/server"
  import { action, mutation, query } from "./_generated/server"
  const deep = (levels) => {
    let value = []
    for (let level = 1; level < levels; level++) value = [value]
    return value
  }
  export const fine = mutation(() => null)
  export const call = mutation((ctx) => ctx.runMutation(anyApi.deep.fine, { value: deep(70) }))
  export const callAction = action((ctx) => ctx.runMutation(anyApi.deep.fine, { value: deep(70) }))
  export const schedule = mutation((ctx) => ctx.scheduler.runAfter(0, anyApi.deep.fine, { value: deep(1000) }))
  export const give = mutation(() => deep(65))
  export const giveAction = action(() => deep(65))
  export const fail = mutation(() => { throw new ConvexError(deep(3000)) })
  export const store = mutation((ctx) => ctx.db.insert("things", { value: deep(17) }))
  export const watched = query(() => { throw new ConvexError(deep(3000)) })
  export const strange = query(() => { throw Object.create(null) })
`
