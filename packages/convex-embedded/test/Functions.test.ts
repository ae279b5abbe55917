import { setTimeout } from "node:timers/promises"
import { anyApi } from "convex/server"
import { ConvexError } from "convex/values"
import { assert, describe, it, onTestFinished, vi } from "vitest"
import { connect, connectHttp, deploy, deployForAll, emptied } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"
import type { Id } from "./fixtures/convex/_generated/dataModel.js"

const failure = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (cause) {
    assert.instanceOf(cause, Error)
    return cause
  }
  throw new Error("It should have failed")
}

/** Without the types of the real functions: to call what they would refuse. */
const messages = anyApi["messages"]!

const post = async ({ url }: { readonly url: string }, path: string, body: unknown) => {
  const answer = await fetch(url + path, {
    body: typeof body === "string" ? body : JSON.stringify(body),
    method: "POST"
  })
  return { body: (await answer.json()) as Record<string, unknown>, status: answer.status }
}

const shared = deployForAll()

describe("functions", () => {
  it("v.function accepts a function handle and refuses other strings", async () => {
    const client = connect(await emptied(shared()))
    assert.include(await client.mutation(api.misc.handle, {}), "misc:whoami")
    const refused = await failure(
      client.mutation(anyApi["misc"]!["takeHandle"] as never, { handle: "misc:whoami" } as never)
    )
    assert.include(refused.message, "Value does not match validator")
  })

  it("queries, mutations and actions run over the socket and over HTTP", async () => {
    const deployment = await emptied(shared())
    for (const [channel, client] of [
      ["socket", connect(deployment)],
      ["http", connectHttp(deployment)]
    ] as const) {
      const id = await client.mutation(api.messages.send, { author: "ann", channel, text: "hello" })
      const [message] = await client.query(api.messages.list, { channel })
      assert.equal(message?._id, id)
      assert.equal(message?.text, "hello")
      assert.equal(await client.action(api.messages.throughAction, { channel, text: "more" }), 2)
      assert.equal(await client.query(api.folder.deep.default, {}), "deep default")
    }
    assert.equal(await connectHttp(deployment).consistentQuery(api.counters.read, { name: "none" }), 0)
    const any = await post(deployment, "/api/function", { args: { name: "any" }, path: "counters:add" })
    assert.deepEqual(any, { body: { logLines: [], status: "success", value: 1 }, status: 200 })
    const named = await post(deployment, "/api/run/counters/add", { args: { name: "any" } })
    assert.deepEqual(named.body, { logLines: [], status: "success", value: 2 })
    assert.equal((await post(deployment, "/api/run/folder/deep/default", {})).body["value"], "deep default")
    const internal = await post(deployment, "/api/run/messages/secretList", { args: { channel: "c" } })
    assert.include(String(internal.body["errorMessage"]), "Could not find public function for 'messages:secretList'")
  })

  it("documents are patched, replaced, deleted and found by id", async () => {
    const client = connectHttp(await emptied(shared()))
    const id = await client.mutation(api.messages.send, { author: "ann", channel: "c", rank: 1, text: "one" })
    const edited = await client.mutation(api.messages.edit, { id, text: "two" })
    assert.equal(edited?.text, "two")
    assert.equal(edited?.author, "ann")
    assert.notProperty(edited, "rank", "a field patched to undefined is gone")
    const rewritten = await client.mutation(api.messages.rewrite, { author: "bob", channel: "c", id, text: "three" })
    assert.equal(rewritten?._creationTime, edited?._creationTime)
    assert.deepEqual(await client.query(api.messages.get, { id }), rewritten)
    assert.deepEqual(await client.query(api.messages.normalize, { id }), [id, null])
    assert.deepEqual(await client.query(api.messages.normalize, { id: "nonsense" }), [null, null])
    await client.mutation(api.messages.remove, { id })
    assert.isNull(await client.query(api.messages.get, { id }))
    assert.include(
      (await failure(client.mutation(api.messages.remove, { id }))).message,
      "Delete on nonexistent document"
    )
  })

  it("a failed mutation is rolled back, and the data of a ConvexError are sent", async () => {
    const deployment = await emptied(shared())
    for (const client of [connect(deployment), connectHttp(deployment)]) {
      const convex = await failure(client.mutation(api.messages.fail, { channel: "f", how: "convex" }))
      assert.instanceOf(convex, ConvexError)
      assert.deepEqual((convex as ConvexError<{ code: string; n: bigint }>).data, { code: "NOPE", n: 1n })
      const plain = await failure(client.mutation(api.messages.fail, { channel: "f", how: "plain" }))
      assert.match(plain.message, /\[Request ID: \w+\] Server Error\nUncaught Error: plain failure/)
      assert.deepEqual(await client.query(api.messages.list, { channel: "f" }), [])
    }
  })

  it("a nested mutation that fails is rolled back separately, also with concurrent ones", async () => {
    const client = connectHttp(await emptied(shared()))
    const { failures, seen } = await client.mutation(api.messages.nested, { channel: "n" })
    assert.deepEqual(failures, [{ text: "inner 1" }])
    assert.deepEqual(seen, ["outer 1", "inner 0", "inner 2"])
    const stored = await client.query(api.messages.list, { channel: "n" })
    assert.deepEqual(
      stored.map((message) => message.text),
      ["outer 1", "inner 0", "inner 2", "outer 2"]
    )
  })

  it("internal functions look like missing ones to clients", async () => {
    const deployment = await emptied(shared())
    for (const client of [connect(deployment), connectHttp(deployment)]) {
      const missing = await failure(client.query(messages["nothing"]!, { channel: "c" }))
      assert.match(missing.message, /Could not find public function for 'messages:nothing'/)
      for (const attempt of [
        () => client.query(messages["secretList"]!, { channel: "c" }),
        () => client.mutation(messages["secretSend"]!, { channel: "c", text: "x" }),
        () => client.mutation(messages["secretList"]!, { channel: "c" })
      ]) {
        assert.match((await failure(attempt())).message, /Could not find public function for 'messages:secret/)
      }
    }
    const any = await post(deployment, "/api/function", {
      args: { channel: "c", text: "x" },
      path: "messages:secretSend"
    })
    assert.equal(any.status, 560)
    assert.match(String(any.body["errorMessage"]), /Could not find public function/)
  })

  it("a function cannot be called as another kind", async () => {
    const client = connectHttp(await emptied(shared()))
    const wrong = await failure(client.query(messages["send"]!, {}))
    assert.include(wrong.message, "Trying to execute messages:send as Query, but it is defined as Mutation.")
  })

  it("arguments, results and documents are validated", async () => {
    const client = connectHttp(await emptied(shared()))
    const cases = [
      [client.query(messages["list"]!, {}), /ArgumentValidationError: Object is missing the required field `channel`/],
      [client.query(messages["list"]!, { channel: 1 }), /ArgumentValidationError: Value does not match validator\.\nPath: \.channel\nValue: float64\nValidator: v\.string\(\)/],
      [client.query(messages["list"]!, { channel: "c", more: 1 }), /ArgumentValidationError: Object contains extra field `more`/],
      [client.query(messages["get"]!, { id: "nonsense" }), /ArgumentValidationError: Found a string that is not an ID of the table in validator `v\.id\("messages"\)`/],
      [client.mutation(api.messages.insertInvalid, {}), /does not match the schema: Value does not match validator\.\nPath: \.text/],
      [client.mutation(api.messages.wrongReturn, { channel: "w" }), /ReturnsValidationError: Value does not match validator/]
    ] as const // prettier-ignore
    for (const [promise, expected] of cases) assert.match((await failure(promise)).message, expected)
    assert.deepEqual(await client.query(api.messages.list, { channel: "w" }), [], "a wrong result undoes the mutation")
    const counter = await client.mutation(api.misc.put, { value: 1 })
    const foreign = client.query(api.messages.get, { id: counter as unknown as Id<"messages"> })
    assert.include((await failure(foreign)).message, 'not an ID of the table in validator `v.id("messages")`')
  })

  it("a function that never ends is stopped and rolled back, and other calls continue", async () => {
    const client = connectHttp(await deploy({ userTimeLimit: 300 }))
    const [query, mutation] = await Promise.all([
      failure(client.query(api.misc.never, {})),
      failure(client.mutation(api.misc.neverWriting, {}))
    ])
    for (const { message } of [query, mutation]) assert.include(message, "Function execution timed out")
    assert.deepEqual(await client.query(api.jobs.events, {}), [])
  })

  it("queries and mutations have no network and timers, but Web Crypto and the environment", async () => {
    const client = connectHttp(await emptied(shared()))
    const fetching = await failure(client.query(api.misc.outside, { how: "fetch" }))
    assert.include(fetching.message, "Can't use fetch() in queries and mutations. Please consider using an action.")
    for (const [how, name] of [
      ["timer", "setTimeout"],
      ["immediate", "setImmediate"],
      ["socket", "WebSocket"]
    ] as const) {
      const { message } = await failure(client.query(api.misc.outside, { how }))
      assert.include(message, `Can't use ${name} in queries and mutations. Please consider using an action.`)
    }
    assert.equal((await client.query(api.misc.digest, { text: "x" })).byteLength, 32)
    assert.equal(await client.query(api.misc.environment, { name: "PATH" }), process.env["PATH"])
  })

  it("both clocks stand still in queries and run in actions, which have network and timers", async () => {
    const client = connectHttp(await emptied(shared()))
    const { apart, went } = await client.query(api.misc.clocks, {})
    assert.deepEqual(went, [0, 0])
    assert.closeTo(apart, 0, 0.001)
    const { sockets, times } = await client.action(api.misc.outsideOfAction, {})
    assert.equal(sockets, "number")
    assert.isAbove(times[1]!, times[0]!)
  })

  it("unsupported features fail with their name", async () => {
    const client = connectHttp(await emptied(shared()))
    const names = {
      limits: "A call with transactionLimits",
      metrics: "1.0/getTransactionMetrics",
      request: "1.0/getRequestMetadata",
      stale: "runQuery with useStaleSnapshot"
    } as const
    for (const [how, name] of Object.entries(names)) {
      const { message } = await failure(client.mutation(api.misc.missing, { how: how as keyof typeof names }))
      assert.include(message, `${name} is not supported by convex-embedded.`)
    }
    const { message } = await failure(client.action(api.misc.search, {}))
    assert.include(message, "1.0/actions/vectorSearch is not supported by convex-embedded.")
  })

  it("a function reads its name and deployment", async () => {
    assert.deepEqual(await connectHttp(await emptied(shared())).mutation(api.misc.describe, {}), [
      { componentPath: "", name: "misc:describe", type: "mutation", visibility: "public" },
      { class: "s16", name: "local-convex-embedded", region: null }
    ])
  })

  it("HTTP actions are served next to the API", async () => {
    const deployment = await emptied(shared())
    const answer = await fetch(`${deployment.url}/hook`, { body: JSON.stringify({ text: "hooked" }), method: "POST" })
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get("x-answer"), "yes")
    assert.deepEqual(await answer.json(), { stored: "hooked" })
    const [stored] = await connectHttp(deployment).query(api.messages.list, { channel: "http" })
    assert.equal(stored?.text, "hooked")
    // As `/api/auth/…` of auth libraries, and as in a deployment of Convex without a second address.
    for (const path of ["/api/mine/environment", "/http/api/mine/environment", "/http/api/query"]) {
      const read = await fetch(`${deployment.url}${path}?of=PATH`)
      assert.deepEqual(await read.json(), [
        deployment.url,
        deployment.url,
        `${deployment.url}${path}`.replace("/http/", "/")
      ])
      assert.isNull(read.headers.get("content-security-policy"), "headers are set by the action")
    }
    for (const path of ["/nothing", "/api/nothing", "/http/nothing", "/http/api/counters"]) {
      assert.equal((await fetch(deployment.url + path, { method: "POST" })).status, 404, path)
    }
  })

  it("a long response of an HTTP action waits for a slow reader, and keeps nothing of each wait", async () => {
    const warnings: Array<Error> = []
    const warn = (warning: Error) => void warnings.push(warning)
    process.on("warning", warn)
    onTestFinished(() => void process.off("warning", warn))
    const response = await fetch(`${shared().url}/http/long`)
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      await setTimeout(2)
    }
    assert.equal(bytes, 40 * 262_144)
    assert.deepEqual(
      warnings.map(({ message }) => message),
      []
    )
  })

  it("the program that serves the deployment runs internal functions, too", async () => {
    const deployment = await emptied(shared())
    await deployment.run("messages:secretSend", { channel: "run", text: "hello" })
    const listed = await deployment.run("messages:secretList", { channel: "run" })
    assert.include(JSON.stringify(listed), "hello")
    assert.deepEqual(await deployment.run("messages:list", { channel: "other" }), [])
    const { message } = await failure(deployment.run("messages:secretSend", { channel: 1 }))
    assert.include(message, "ArgumentValidationError")
    assert.include((await failure(deployment.run("messages:none"))).message, "messages:none")
  })

  it("several deployments in one process are isolated", async () => {
    const [first, second] = await Promise.all([deploy(), deploy()])
    const [a, b] = [connectHttp(first), connectHttp(second)]
    await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).mutation(api.counters.add, { name: "n" })))
    assert.equal(await a.query(api.counters.read, { name: "n" }), 10)
    assert.equal(await b.query(api.counters.read, { name: "n" }), 10)
    for (const [client, { url }] of [[a, first] as const, [b, second] as const]) {
      for (const name of ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"]) {
        assert.equal(await client.query(api.misc.environment, { name }), url)
        assert.isUndefined(process.env[name])
      }
    }
    vi.stubEnv("EMBEDDED_TEST_LATER", "set after the start")
    onTestFinished(() => void vi.unstubAllEnvs())
    assert.equal(await a.query(api.misc.environment, { name: "EMBEDDED_TEST_LATER" }), "set after the start")
  })
})
