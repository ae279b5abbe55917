/** The admin key, as test helpers, `npx convex run` and the dashboard's clients send it. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"
import { connect, connectHttp, deployForAll, watch } from "./deployment.ts"
import { api, internal } from "./fixtures/convex/_generated/api.js"
import { connectFrame, nextMessage, openSocket } from "./raw.ts"

const adminKey = "test|the key of: an administrator"
const ANN = { issuer: "https://issuer.test", name: "Ann", subject: "ann" }

/** Methods of the clients that their types hide. */
interface WithAdmin {
  readonly setAdminAuth: (key: string, identity?: object) => void
  readonly function: (reference: object, component: undefined, args: object) => Promise<unknown>
}

const shared = deployForAll({ adminKey })

const asAdmin = (key = adminKey, identity?: object) => {
  const http = connectHttp(shared())
  ;(http as unknown as WithAdmin).setAdminAuth(key, identity)
  return http
}

const failure = (call: Promise<unknown>): Promise<string> => call.then(() => "accepted", String)

describe("the admin key", () => {
  it("permits internal functions over HTTP, without an identity or as any user", async () => {
    const list = { channel: "admin" }
    const http = asAdmin()
    await http.mutation(internal.messages.secretSend as never, { channel: "admin", text: "one" } as never)
    assert.lengthOf((await http.query(internal.messages.secretList as never, list as never)) as Array<unknown>, 1)
    const anyKind = (http as unknown as WithAdmin).function(internal.messages.secretList, undefined, list)
    assert.lengthOf((await anyKind) as Array<unknown>, 1)
    assert.isNull(await http.query(api.misc.whoami, {}))
    const user = await asAdmin(adminKey, ANN).query(api.misc.whoami, {})
    assert.deepEqual(user, { ...ANN, tokenIdentifier: "https://issuer.test|ann" })
    assert.equal(await asAdmin(adminKey, ANN).action(api.misc.whoamiAction, {}), "ann")
  })

  it("permits internal functions over the socket, and shares no result with other clients", async () => {
    const client = connect(shared())
    const anonymous = watch(connect(shared()), internal.messages.secretList as never, { channel: "socket" } as never)
    assert.instanceOf(await anonymous.until(() => true), Error)
    ;(client as unknown as WithAdmin).setAdminAuth(adminKey, ANN)
    const seen = watch(client, internal.messages.secretList as never, { channel: "socket" } as never)
    await seen.until((value) => Array.isArray(value) && (value as ReadonlyArray<unknown>).length === 0)
    await client.mutation(internal.messages.secretSend as never, { channel: "socket", text: "one" } as never)
    await seen.until((value) => Array.isArray(value) && (value as ReadonlyArray<unknown>).length === 1)
    assert.equal((await client.query(api.misc.whoami, {}))?.subject, "ann")
    assert.isTrue(anonymous.seen.every((value) => (value as unknown) instanceof Error))
  })

  it("is refused if it is wrong, incomplete or with an incomplete identity", async () => {
    for (const wrong of ["wrong", "test|the key of", `${adminKey}x`, `${adminKey}:`]) {
      assert.include(await failure(asAdmin(wrong).query(api.misc.whoami, {})), "admin key is not that", wrong)
    }
    const nameless = asAdmin(adminKey, { name: "Ann" }).query(api.misc.whoami, {})
    assert.include(await failure(nameless), "needs an issuer and a subject")
    const socket = await openSocket(shared().url)
    const reply = nextMessage(socket, () => true)
    socket.send(JSON.stringify(connectFrame()))
    socket.send(JSON.stringify({ baseVersion: 0, tokenType: "Admin", type: "Authenticate", value: "wrong" }))
    assert.include(JSON.stringify(await reply), "AuthError")
  })

  it("lets `npx convex run` call functions", async () => {
    const cli = join(import.meta.dirname, "../node_modules/convex/bin/main.js")
    const run = async (...args: ReadonlyArray<string>) => {
      const env = { ...process.env, CONVEX_SELF_HOSTED_ADMIN_KEY: adminKey, CONVEX_SELF_HOSTED_URL: shared().url }
      const { stdout } = await promisify(execFile)(process.execPath, [cli, "run", ...args], {
        cwd: join(import.meta.dirname, ".."),
        env
      })
      return stdout.trim()
    }
    await run("messages:secretSend", '{"channel": "cli", "text": "from the command"}')
    assert.include(await run("messages:secretList", '{"channel": "cli"}'), "from the command")
    assert.include(await run("misc:whoami", "--identity", JSON.stringify(ANN)), '"tokenIdentifier"')
  })
})
