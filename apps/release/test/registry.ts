/** A registry on loopback that keeps what is published to it in memory, for tests. */
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { onTestFinished } from "vitest"

/** `refuses`: whether the registry fails when the package with this name is published. */
export const startRegistry = async (refuses: (name: string) => boolean) => {
  /** The documents of the packages, as the registry returns them. */
  const documents = new Map<string, string>()
  /** The names in the order in which they were published. */
  const published: Array<string> = []
  const server = createServer(async (request, response) => {
    const name = decodeURIComponent(request.url?.slice(1) ?? "")
    const reply = (status: number, body = "{}") =>
      response.writeHead(status, { "content-type": "application/json" }).end(body)
    if (request.method !== "PUT") return reply(documents.has(name) ? 200 : 404, documents.get(name))
    const document = await text(request)
    if (request.headers.authorization !== "Bearer secret") return reply(401)
    if (refuses(name)) return reply(403, JSON.stringify({ error: "not today" }))
    documents.set(name, document)
    published.push(name)
    return reply(201)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  onTestFinished(() => void server.close())
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The registry has no port")
  const folder = mkdtempSync(join(tmpdir(), "registry-"))
  onTestFinished(() => rmSync(folder, { force: true, recursive: true }))
  const [npmrc, output] = [join(folder, "npmrc"), join(folder, "output")]
  const host = `127.0.0.1:${address.port}/`
  writeFileSync(npmrc, `registry=http://${host}\n//${host}:_authToken=\${NODE_AUTH_TOKEN}\n`)
  return {
    published,
    /** The tags that the workflow pushes: it reads them from the file that changesets writes. */
    tags: () =>
      readFileSync(output, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line): string => JSON.parse(line).tag),
    /** The variables of a process that publishes to this registry, as the workflow sets them. */
    variables: {
      CHANGESETS_OUTPUT: output,
      NODE_AUTH_TOKEN: "secret",
      NPM_CONFIG_USERCONFIG: npmrc,
      XDG_CACHE_HOME: folder
    } satisfies NodeJS.ProcessEnv
  }
}
