/** `opencode-worker serve`: the deployment and the web console without a worker. No test here starts OpenCode. */
import { writeFileSync } from "node:fs"
import { request } from "node:https"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { assert, describe, it } from "@effect/vitest"
import { claimDevice, createClient, createDeviceKey } from "@opencode-worker/client"
import { Effect } from "effect"
import { tls } from "../support/certificate.ts"
import * as command from "../support/command.ts"

const limit = { timeout: 120_000 }
const run = command.runner()

/** Signs in with a printed link, as a browser does. */
const signIn = async (link: string) => {
  const { hash, origin } = new URL(link)
  const key = await createDeviceKey()
  const { deviceId } = await claimDevice({ url: origin, code: hash.replace("#pair=", ""), key })
  await using client = createClient({ url: origin, device: { deviceId, privateKey: key.privateKey } })
  return await client.devices.list()
}

const overTls = (port: string, path: string) =>
  Effect.promise(async () => {
    const headers = { host: `console.test:${port}`, accept: "text/html" }
    const sent = request({ host: "127.0.0.1", port, path, headers, servername: "console.test", ca: tls.cert })
    return new Promise<string>((resolve, reject) => {
      sent.on("response", (response) => resolve(text(response)))
      sent.on("error", reject)
      sent.end()
    })
  })

describe("opencode-worker serve", () => {
  it.live(
    "serves the web console, signs a browser in, and is found by commands at the same address after a restart",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const first = yield* command.start({ root }, "serve", "--print-pairing-link")
        const [link] = yield* Effect.promise(() => first.prints(/^http\S+#pair=\S+$/m))
        assert.match(first.stdout(), /^console {5}http:\/\/127\.0\.0\.1:\d+$/m)
        const { origin } = new URL(link)
        const page = yield* Effect.promise(() => fetch(`${origin}/sessions/1`, { headers: { accept: "text/html" } }))
        assert.strictEqual(page.status, 200)
        assert.strictEqual(page.headers.get("cache-control"), "no-cache")
        assert.match(
          page.headers.get("content-security-policy") ?? "",
          /^default-src 'none'.*require-trusted-types-for/
        )
        const script = /src="(\/assets\/[^"]+\.js)"/.exec(yield* Effect.promise(() => page.text()))?.[1] ?? "none"
        const asset = yield* Effect.promise(() => fetch(origin + script))
        assert.include(asset.headers.get("cache-control"), "immutable")
        // Convex's routes are not shadowed: this one misses its parameters.
        assert.strictEqual((yield* Effect.promise(() => fetch(`${origin}/api/query`))).status, 400)

        const devices = yield* Effect.promise(() => signIn(link))
        assert.strictEqual(devices.find(({ isCurrent }) => isCurrent)?.name, "web console")
        const listed = yield* command.run({ root }, "devices", "ls")
        assert.match(listed.stdout, /web console/)
        // As the hint of a worker that pairs with it names it.
        const byUrl = yield* command.run({ root }, "devices", "ls", "--url", origin)
        assert.match(byUrl.stdout, /web console/, byUrl.stderr)
        const second = yield* command.run({ root }, "serve")
        assert.strictEqual(second.code, 75, second.stderr)
        first.kill("SIGTERM")
        const ended = yield* Effect.promise(() => first.ended)
        assert.strictEqual(ended.code, 0, ended.stderr)
        assert.strictEqual(ended.stderr, "")

        const again = yield* command.start({ root }, "serve", "--json")
        const [printed] = yield* Effect.promise(() => again.prints(/^\{.*\}$/m))
        const { console: address, url } = JSON.parse(printed)
        assert.deepStrictEqual([address, url], [origin, origin])
        // Without a terminal no code is printed unless it is asked for.
        assert.notInclude(again.stdout(), "pair=")
        again.kill("SIGINT")
        assert.strictEqual((yield* Effect.promise(() => again.ended)).code, 0)
      }),
    limit
  )

  it.live(
    "serves other machines over TLS, under the names of the certificate",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        writeFileSync(join(root, "cert.pem"), tls.cert)
        writeFileSync(join(root, "key.pem"), tls.key)
        const files = ["--tls-cert", join(root, "cert.pem"), "--tls-key", join(root, "key.pem")]
        const running = yield* command.start({ root }, "serve", ...files, "--print-pairing-link")
        const [, port = ""] = yield* Effect.promise(() => running.prints(/^https:\/\/console\.test:(\d+)\/#pair=\S+$/m))
        assert.match(yield* overTls(port, "/settings"), /<!doctype html>/i)
        // Programs of this machine use their own address.
        assert.strictEqual((yield* command.run({ root }, "devices", "ls")).code, 0)
      }),
    limit
  )

  it.live(
    "refuses an address beyond this machine without encryption, and a certificate without its key",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        for (const [args, code, sentence] of [
          [["serve", "--host", "0.0.0.0"], 78, /Pass --tls-cert and --tls-key, or .* --public-url/],
          [["dev", "--demo", "--host", "0.0.0.0"], 78, /Pass --tls-cert and --tls-key, or .* --public-url/],
          [["serve", "--tls-cert", "cert.pem"], 2, /--tls-cert and --tls-key belong together/],
          [["serve", "--tls-cert", "no.pem", "--tls-key", "no.pem"], 78, /The file of --tls-cert cannot be read/]
        ] as const) {
          const ended = yield* run({ root }, ...args)
          assert.strictEqual(ended.code, code, ended.stderr)
          assert.match(ended.stderr, sentence)
        }
      }),
    limit
  )
})
