import { inspect } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import {
  openCodeHome,
  type OpenCodeHomeHandle,
  Reply,
  scriptedProvider,
  type ScriptedProviderHandle
} from "@opencode-worker/testkit"
import { Redacted } from "effect"
import { createOpenCodeHost, HostError } from "../src/async.ts"
import type { OpenCodeHostOptions } from "../src/index.ts"

const limit = 120_000

const rejection = (promise: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(promise).then(
    (value) => assert.fail(`It resolved with ${inspect(value)}`),
    (error: unknown) => error
  )

const hostErrorOf = async (promise: PromiseLike<unknown>) => {
  const error = await rejection(promise)
  assert.instanceOf(error, HostError)
  return error
}

const drained = async (iterable: AsyncIterable<unknown>) => {
  const seen: Array<unknown> = []
  for await (const element of iterable) seen.push(element)
  return seen
}

describe("createOpenCodeHost", () => {
  let provider: ScriptedProviderHandle
  let home: OpenCodeHomeHandle
  let options: OpenCodeHostOptions
  let requested = Promise.withResolvers<void>()

  beforeAll(async () => {
    provider = await scriptedProvider(async () => {
      requested.resolve()
      return Reply.hang
    })
    home = await openCodeHome({ config: { ...provider.config, snapshot: false } })
    options = { directory: home.directory, environment: home.environment, stateDirectory: `${home.root}/state` }
  }, limit)
  afterAll(async () => {
    await home[Symbol.asyncDispose]()
    await provider[Symbol.asyncDispose]()
  })

  it("names the option whose type is wrong", async () => {
    const directory = home.directory
    const cases: ReadonlyArray<readonly [given: unknown, message: string]> = [
      [undefined, "directory must be a string that is not empty, and was undefined"],
      [null, "directory must be a string that is not empty, and was undefined"],
      [{}, "directory must be a string that is not empty, and was undefined"],
      ["/tmp", "directory must be a string that is not empty, and was undefined"],
      [{ directory: 7 }, "directory must be a string that is not empty, and was a number"],
      [{ directory: "" }, "directory must be a string that is not empty, and was an empty string"],
      [{ directory, start: "eagre" }, 'start must be "lazy" or "eager", and was "eagre"'],
      [
        { directory, projectConfig: "harmles" },
        'projectConfig must be "all", "harmless" or an object with a fingerprint as "trusted", and was a string'
      ],
      [{ directory, alwaysAsk: "false" }, "alwaysAsk must be true or false, and was a string"],
      [{ directory, deniedPaths: "/etc" }, "deniedPaths must be an array, and was a string"],
      [{ directory, deniedPaths: ["/etc", 1] }, "deniedPaths.1 must be a string that is not empty, and was a number"],
      [{ directory, config: "{}" }, "config must be an object, and was a string"],
      [{ directory, environment: { KEY: 5 } }, "environment.KEY must be a string, and was a number"],
      [
        { directory, startTimeout: "soon" },
        'startTimeout must be a duration, as in "5 seconds" or as a number of milliseconds, and was "soon"'
      ],
      [{ directory, restart: { limit: 0 } }, "restart.limit must be an integer or Infinity, at least 1, and was 0"],
      [{ directory, recycle: { memory: "1" } }, 'recycle.memory must be a number greater than 0, and was "1"'],
      [
        { directory, attach: { url: "localhost:4096", password: "secret" } },
        "attach.url must be a URL that begins with http:// or https://, and was a string"
      ],
      [
        { directory, attach: { url: "http://localhost:4096", password: ["secret"] } },
        "attach.password must be a string or a Redacted string, and was an array"
      ]
    ]
    for (const [given, message] of cases) {
      const opened: Promise<unknown> = Reflect.apply(createOpenCodeHost, undefined, [given])
      const { message: shown, reason } = await hostErrorOf(opened)
      assert.strictEqual(shown, `The option ${message}`)
      assert.strictEqual(reason._tag, "InvalidOption")
    }
  })

  it("says that this process hosts the directory already", async () => {
    await using host = await createOpenCodeHost(options)
    const { message, reason } = await hostErrorOf(createOpenCodeHost(options))
    assert.deepInclude(reason, { _tag: "DirectoryInUse", pid: process.pid, isThisProcess: true })
    assert.include(message, `This process (${process.pid}) already hosts OpenCode in ${host.directory}.`)
  })

  it("rejects with the name of the argument that is wrong", async () => {
    await using host = await createOpenCodeHost(options)
    const turn = (input: unknown): AsyncIterable<unknown> => Reflect.apply(host.turn, undefined, [input])
    const prompt = (input: unknown): Promise<unknown> => Reflect.apply(host.client.prompt, undefined, [input])
    const models = (call: unknown): Promise<unknown> => Reflect.apply(host.client.models, undefined, [call])
    for (const [call, message] of [
      [drained(turn(undefined)), "sessionId must be a string that is not empty, and was undefined"],
      [drained(turn({ sessionId: "ses_x" })), "text must be a string, and was undefined"],
      [prompt({ sessionId: "ses_x" }), "messageId must be a string that is not empty, and was undefined"],
      [prompt(undefined), "sessionId must be a string that is not empty, and was undefined"],
      [models({ signal: 5 }), "signal must be an AbortSignal, and was a number"]
    ] as const) {
      assert.strictEqual((await hostErrorOf(call)).message, `The option ${message}`)
    }
  })

  describe("on one host", () => {
    let host: Awaited<ReturnType<typeof createOpenCodeHost>>
    beforeAll(async () => {
      host = await createOpenCodeHost({ ...options, restart: { limit: 100 } })
    })
    afterAll(() => host[Symbol.asyncDispose]())

    it(
      "rejects with signal.reason after an abort, which aborts the turn",
      async () => {
        const reason = new Error("the user left")
        const signal = AbortSignal.abort(reason)
        const calls = [
          host.server({ signal }),
          host.client.models({ signal }),
          host.client.sessions.list({ limit: 1 }, { signal }),
          host.client.sessions.create(undefined, { signal }),
          host.ifRunning((client) => client.models(), { signal }),
          host.abort("ses_x", { signal }),
          drained(host.turn({ sessionId: "ses_x", text: "Hello" }, { signal }))
        ]
        for (const call of calls) assert.strictEqual(await rejection(call), reason)

        const controller = new AbortController()
        // The server starts, which takes longer than this abort.
        const starting = rejection(host.client.sessions.list({}, { signal: controller.signal }))
        controller.abort(reason)
        assert.strictEqual(await starting, reason)

        const { id } = await host.client.sessions.create({ title: "test" })
        requested = Promise.withResolvers<void>()
        const turning = new AbortController()
        const turn = rejection(drained(host.turn({ sessionId: id, text: "Wait" }, { signal: turning.signal })))
        await requested.promise
        assert.property(await host.client.sessions.status(), id)
        turning.abort(reason)
        assert.strictEqual(await turn, reason)
        assert.notProperty(await host.client.sessions.status(), id)
      },
      limit
    )

    it(
      "has a client of the SDK that follows restarts and shows no password",
      async () => {
        const { data: session } = await host.sdk.session.create({ title: "from the SDK" }, { throwOnError: true })
        assert.strictEqual((await host.client.sessions.get(session.id)).directory, host.directory)
        const first = await host.server()
        assert.isDefined(first.pid)
        process.kill(first.pid, "SIGKILL")
        while ((await host.server()).pid === first.pid) await host.client.agents().catch(() => undefined)
        const { data: kept, request } = await host.sdk.session.get({ sessionID: session.id }, { throwOnError: true })
        assert.strictEqual(kept.title, "from the SDK")

        const { password } = await host.server()
        const value = Redacted.value(password)
        const header = Buffer.from(`opencode:${value}`).toString("base64")
        for (const shown of [
          inspect(host, { depth: Infinity, showHidden: true, getters: true }),
          JSON.stringify(host),
          inspect(request, { depth: Infinity, showHidden: true })
        ]) {
          assert.notInclude(shown, value)
          assert.notInclude(shown, header)
        }
      },
      limit
    )

    it(
      "rejects with Closed after disposal",
      async () => {
        // Late events of the tests before may come before.
        const waiting = rejection(drained(host.events))
        await host.client.agents()
        await host[Symbol.asyncDispose]()
        const errors = [
          await waiting,
          await rejection(host.server()),
          await rejection(host.client.sessions.list()),
          await rejection(host.ifRunning((client) => client.models())),
          await rejection(host.abort("ses_x")),
          await rejection(drained(host.events)),
          await rejection(drained(host.turn({ sessionId: "ses_x", text: "Hello" }))),
          (await host.sdk.session.list()).error
        ]
        for (const error of errors) {
          assert.instanceOf(error, HostError)
          assert.strictEqual(error.reason._tag, "Closed")
        }
      },
      limit
    )
  })
})
