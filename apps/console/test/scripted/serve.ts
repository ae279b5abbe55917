/** Builds the scripted page and serves it with the content security policy of the console. */
import { createServer } from "node:http"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { extname, join, normalize } from "node:path"
import { build, defaultClientConditions } from "vite"

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml"
}

const policy =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; style-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types opencode-worker"

const console = join(import.meta.dirname, "../..")

export const serveScripted = async (): Promise<AsyncDisposable & { readonly url: string }> => {
  const outDir = await mkdtemp(join(tmpdir(), "console-"))
  await build({
    root: join(import.meta.dirname),
    configFile: false,
    logLevel: "error",
    publicDir: join(console, "public"),
    resolve: { conditions: ["@opencode-worker/source", ...defaultClientConditions] },
    build: { outDir, emptyOutDir: true, target: "es2023", modulePreload: { polyfill: false }, assetsInlineLimit: 0 }
  })
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname)
    const file = join(outDir, path === "/" ? "index.html" : path)
    readFile(file).then(
      (content) => {
        const type = types[extname(file)] ?? "application/octet-stream"
        return response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(content)
      },
      () => response.writeHead(404).end()
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a server that listens on a port
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await rm(outDir, { recursive: true, force: true })
    }
  }
}
