/** The addresses that `dev` and `serve` listen on, and refuse. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { browserProgram } from "../../src/local/Console.ts"
import { consoleAddress, decide, type Given } from "../../src/local/Listening.ts"
import { tls } from "../support/certificate.ts"

const given = (options: Partial<{ host: string; tls: typeof tls; publicUrl: string }>): Given => ({
  host: options.host ?? "127.0.0.1",
  port: Option.none(),
  tls: Option.fromUndefinedOr(options.tls),
  publicUrl: Option.fromUndefinedOr(options.publicUrl)
})

const local = "http://127.0.0.1:4000"

describe("the addresses of a deployment", () => {
  it.effect.each([
    [{}, local, null, local],
    [{ host: "localhost" }, local, null, local],
    [{ publicUrl: "https://box.ts.net" }, local, null, "https://box.ts.net"],
    [
      { host: "0.0.0.0", publicUrl: "https://box.ts.net:8443/" },
      local,
      "http://127.0.0.1:5",
      "https://box.ts.net:8443"
    ],
    [{ host: "0.0.0.0", tls }, local, "https://127.0.0.1:5000", "https://console.test:5000"],
    [{ host: "::", tls }, local, "https://127.0.0.1:443", "https://console.test"],
    [{ tls, publicUrl: "https://other.test" }, local, "https://127.0.0.1:5000", "https://other.test"]
  ] as const)("%j have a console that other devices can open", ([options, url, remoteUrl, expected]) =>
    Effect.gen(function* () {
      const listening = yield* decide(given(options))
      assert.strictEqual(Option.isSome(listening.remote), remoteUrl !== null)
      assert.strictEqual(consoleAddress(listening, url, remoteUrl), expected)
    })
  )

  it.effect("include the names of the certificate and of the proxy", () =>
    Effect.gen(function* () {
      const { names } = yield* decide(given({ tls, publicUrl: "https://box.ts.net" }))
      assert.deepStrictEqual(names, ["box.ts.net", "console.test", "localhost", "127.0.0.1"])
    })
  )

  it.effect.each([
    [{ host: "0.0.0.0" }, /Pass --tls-cert and --tls-key, or .*tailscale serve.*--public-url https/],
    [{ host: "192.168.1.7" }, /would let other machines read/],
    [{ host: "127.0.0.1.evil.example" }, /would let other machines read/],
    [{ host: "0.0.0.0", publicUrl: "http://box.ts.net" }, /--public-url is the https address/],
    [{ publicUrl: "https://box.ts.net/console" }, /--public-url is the https address/],
    [{ publicUrl: "https://me:secret@box.ts.net" }, /--public-url is the https address/],
    [{ host: "0.0.0.0", tls: { ...tls, cert: "no certificate" } }, /not a certificate in PEM format/]
  ] as const)("%j are refused with a remedy", ([options, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decide(given(options)))
      assert.match(error.message, message)
      assert.notInclude(error.message, "secret")
    })
  )
})

describe("the browser of this machine", () => {
  it("is not opened over SSH, in CI and without a desktop", () => {
    const desktop = { DISPLAY: ":0" }
    assert.deepStrictEqual(browserProgram("linux", desktop), Option.some("xdg-open"))
    assert.deepStrictEqual(browserProgram("darwin", {}), Option.some("open"))
    for (const environment of [{}, { ...desktop, SSH_CONNECTION: "1" }, { ...desktop, CI: "true" }]) {
      assert.deepStrictEqual(browserProgram("linux", environment), Option.none())
    }
  })
})
