/**
 * A registry on this machine (Verdaccio): it has the packages of this repository only as they are published to it, and fetches
 * all others from the registry that npm is configured for.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { freePort, run, stop } from "./process.ts"

export interface Registry extends AsyncDisposable {
  readonly url: string
  /** A `.npmrc` that publishes to and installs from this registry. */
  readonly npmrc: string
}

/** Installed here, not by the workspace: only the rehearsal needs its 280 packages. */
const manifest = {
  private: true,
  dependencies: { verdaccio: "6.10.4" },
  // A dependency asks for a tag of node-fetch, which not every mirror has.
  overrides: { "node-fetch": "2.7.0" }
}

const config = (uplink: string) => `
storage: ./storage
auth: { htpasswd: { file: ./htpasswd } }
uplinks: { upstream: { url: "${uplink}", timeout: 120s, maxage: 60m } }
packages:
  "@opencode-worker/*": { access: $all, publish: $authenticated }
  "opencode-worker": { access: $all, publish: $authenticated }
  "**": { access: $all, proxy: upstream }
max_body_size: 200mb
log: { type: stdout, level: error }
`

/** `cache`: a folder that later rehearsals reuse, for Verdaccio and the packages of others. */
export const startRegistry = async (cache: string, published: ReadonlyArray<string>): Promise<Registry> => {
  mkdirSync(cache, { recursive: true })
  const env = process.env
  const npmConfig = async (key: string) => (await run("npm", ["config", "get", key], { cwd: cache, env })).trim()
  const [uplink, cafile] = [await npmConfig("registry"), await npmConfig("cafile")]
  writeFileSync(join(cache, "package.json"), JSON.stringify(manifest))
  if (!existsSync(join(cache, "node_modules/verdaccio")))
    await run("npm", ["install", "--no-audit", "--no-fund"], { cwd: cache, env })
  for (const name of published) rmSync(join(cache, "storage", name), { force: true, recursive: true })
  rmSync(join(cache, "htpasswd"), { force: true })
  writeFileSync(join(cache, "config.yaml"), config(uplink))

  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const program = join(cache, "node_modules/verdaccio/bin/verdaccio")
  const args = [program, "--config", join(cache, "config.yaml"), "--listen", `127.0.0.1:${port}`]
  const server = spawn(process.execPath, args, {
    cwd: cache,
    // Verdaccio does not read the configuration of npm. Without the certificates it returns 404 for each package of others.
    env: { ...(cafile !== "null" && { NODE_EXTRA_CA_CERTS: cafile }), ...env },
    stdio: ["ignore", "inherit", "inherit"]
  })
  const ready = async () => (await fetch(`${url}-/ping`).catch(() => undefined))?.ok === true
  while (!(await ready())) {
    if (server.exitCode !== null) throw new Error(`The registry ended with ${server.exitCode}`)
    await sleep(200)
  }
  const user = { name: "rehearsal", password: "rehearsal" }
  const response = await fetch(`${url}-/user/org.couchdb.user:${user.name}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(user)
  })
  const { token } = JSON.parse(await response.text())
  const npmrc = join(cache, "npmrc")
  writeFileSync(npmrc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=${token}\n`)
  return { url, npmrc, [Symbol.asyncDispose]: () => stop(server) }
}
