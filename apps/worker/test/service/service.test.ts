import { execFile, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { launchdPlist, wrapper } from "../../src/service/launchdPlist.ts"
import { systemdUnit } from "../../src/service/systemdUnit.ts"
import { workerProgram } from "@opencode-worker/harness"
import * as command from "../support/command.ts"

const options = {
  node: "/opt/node $HOME/bin/node",
  program: '/home/me/100% "mine"/main.js',
  config: "/home/me/.config/opencode-worker/config.jsonc",
  path: "/usr/bin:/bin"
}

const hasSystemd = (() => {
  try {
    execFileSync("systemd-analyze", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** The values of a property list without attributes. Throws unless its elements are nested as the format requires. */
const parsePlist = (text: string): unknown => {
  const tokens = [...text.slice(text.indexOf("<plist")).matchAll(/<(\/?)(\w+)([^>]*?)(\/?)>|([^<]+)/g)]
  let at = 0
  const skip = () => {
    while (tokens[at]?.[5]?.trim() === "") at += 1
  }
  const close = (name: string) => {
    skip()
    assert.strictEqual(tokens[at++]?.[0], `</${name}>`)
  }
  const value = (): unknown => {
    skip()
    const [, slash, name = "", , empty] = tokens[at++] ?? []
    assert.strictEqual(slash, "")
    if (empty === "/") return name === "true"
    if (name === "dict" || name === "array") {
      const items: Array<unknown> = []
      for (skip(); tokens[at]?.[1] !== "/"; skip()) items.push(value())
      close(name)
      return name === "array"
        ? items
        : Object.fromEntries(items.flatMap((item, index) => (index % 2 === 0 ? [[item, items[index + 1]]] : [])))
    }
    const content = tokens[at]?.[5] === undefined ? "" : (tokens[at++]?.[5] ?? "")
    close(name)
    const plain = content.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&")
    return name === "integer" ? Number(plain) : plain
  }
  skip()
  assert.strictEqual(tokens[at++]?.[2], "plist")
  const root = value()
  close("plist")
  return root
}

/** Runs a script in place of the worker, as the property list does. */
const run = (script: string) => spawn("/bin/sh", ["-c", wrapper, "name", "/bin/sh", "-c", script])

describe("the systemd unit", () => {
  it("is not restarted after exit codes with which a restart does not help", () => {
    const unit = systemdUnit(options)
    assert.include(unit, "\nRestart=on-failure\n")
    assert.include(unit, "\nRestartPreventExitStatus=2 77 78\n")
    assert.include(unit, 'ExecStart="/opt/node $$HOME/bin/node" "/home/me/100%% \\"mine\\"/main.js" "start" "--config"')
  })

  it.live.skipIf(!hasSystemd)("is accepted by systemd-analyze verify (skipped without systemd)", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const file = join(root, "opencode-worker.service")
      const content = systemdUnit({ ...options, node: process.execPath, program: workerProgram })
      yield* Effect.promise(() => writeFile(file, content))
      const { stderr } = yield* Effect.promise(() =>
        promisify(execFile)("systemd-analyze", ["--user", "verify", file], {
          env: { ...process.env, HOME: root, XDG_RUNTIME_DIR: root }
        })
      )
      assert.notInclude(stderr, "opencode-worker.service:")
    }).pipe(Effect.scoped)
  )
})

describe("the launchd property list", () => {
  it("runs the command, and restarts it only after a failure", () => {
    const plist = parsePlist(launchdPlist({ ...options, name: "app", log: "/tmp/<a>&b" }))
    assert.deepNestedInclude(plist, {
      Label: "dev.opencode-worker.app",
      "KeepAlive.SuccessfulExit": false,
      RunAtLoad: true,
      ThrottleInterval: 10,
      StandardErrorPath: "/tmp/<a>&b"
    })
    assert.deepNestedInclude(plist, { "ProgramArguments[2]": wrapper, "ProgramArguments[5]": options.program })
  })

  it.live("hides final exit codes from launchd, and passes the signal of a stop on", () =>
    Effect.promise(async () => {
      for (const [code, expected] of [
        [0, 0],
        [2, 0],
        [75, 75],
        [77, 0],
        [78, 0]
      ]) {
        const [ended] = await once(run(`exit ${code}`), "exit")
        assert.strictEqual(ended, expected, String(code))
      }
      const draining = run("trap 'echo drained; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
      let output = ""
      draining.stdout.on("data", (text: Buffer) => {
        output += text.toString()
        if (output === "ready\n") draining.kill("SIGTERM")
      })
      assert.deepStrictEqual(await once(draining, "close"), [0, null])
      assert.strictEqual(output, "ready\ndrained\n")
    })
  )
})

describe.skipIf(process.platform !== "linux")("opencode-worker service", () => {
  it.live("installs, shows and removes a service by the commands of systemd", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const bin = join(root, "bin")
      const calls = join(root, "calls")
      yield* Effect.promise(async () => {
        await mkdir(bin)
        for (const program of ["systemctl", "journalctl"]) {
          await writeFile(join(bin, program), `#!/bin/sh\necho "${program} $*" >> ${calls}\n`)
          await chmod(join(bin, program), 0o755)
        }
      })
      const environment = { PATH: `${bin}:${process.env["PATH"] ?? ""}` }
      const runs = command.runner()
      const service = (...args: ReadonlyArray<string>) => runs({ root, environment }, "service", ...args)

      const without = yield* service("install")
      assert.strictEqual(without.code, 78)
      assert.match(without.stderr, /needs a configuration file/)
      const config = join(root, "worker.jsonc")
      yield* Effect.promise(() => writeFile(config, '{ "url": 1 }'))
      assert.strictEqual((yield* service("install", "--config", config)).code, 78)

      yield* Effect.promise(() => writeFile(config, '{ "url": "https://a.example" }'))
      const installed = yield* service("install", "--config", config)
      assert.strictEqual(installed.code, 0, installed.stderr)
      assert.include(installed.stdout, "loginctl enable-linger")
      const file = join(root, "config", "systemd", "user", "opencode-worker.service")
      assert.include(yield* Effect.promise(() => readFile(file, "utf8")), `"start" "--config" "${config}"`)
      for (const args of [["status"], ["logs", "-f"], ["uninstall"]]) {
        assert.strictEqual((yield* service(...args)).code, 0, args.join(" "))
      }
      assert.isTrue(
        yield* Effect.promise(() =>
          stat(file).then(
            () => false,
            () => true
          )
        )
      )
      assert.strictEqual((yield* service("uninstall")).code, 78)
      assert.deepStrictEqual((yield* Effect.promise(() => readFile(calls, "utf8"))).trim().split("\n"), [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now opencode-worker.service",
        "systemctl --user status --no-pager opencode-worker.service",
        "journalctl --user --unit opencode-worker.service --lines 200 --follow",
        "systemctl --user disable --now opencode-worker.service",
        "systemctl --user daemon-reload"
      ])
    }).pipe(Effect.scoped)
  )
})
