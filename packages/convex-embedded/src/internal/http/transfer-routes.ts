/**
 * `GET /api/export?table=…` and `POST /api/import?table=…&mode=append|replace`: JSON lines, authorised by the admin key.
 * Both use a temporary file, so that a slow connection does not block functions.
 */
import { randomUUID } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { rm } from "node:fs/promises"
import type { IncomingMessage, ServerResponse } from "node:http"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { createPrivateFile } from "../../PrivateFiles.ts"
import { isAdminKey } from "../access/admin.ts"
import type { Connection } from "../access/connections.ts"
import { messageOf } from "../values/errors.ts"
import type { Executor } from "../threads/executor.ts"
import { respond } from "./http.ts"

interface TransferOptions {
  readonly executor: Executor
  readonly adminKey: string | null
  readonly cacheDir: string
}

export const handleTransfer = async (
  { adminKey, cacheDir, executor }: TransferOptions,
  connection: Connection,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> => {
  const refuse = (status: number, code: string, message: string) => respond(response, status, { code, message })
  const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost")
  const [, given = ""] = /^Convex (.+)$/.exec(request.headers.authorization ?? "") ?? []
  if (!isAdminKey(given, adminKey))
    return refuse(401, "AdminKeyNeeded", "Send the admin key: Authorization: Convex <key>.")
  connection.standing = "authenticated"
  const isExport = pathname === "/api/export"
  if (request.method !== (isExport ? "GET" : "POST")) {
    return refuse(405, "MethodNotAllowed", `Use ${isExport ? "GET" : "POST"}.`)
  }
  const table = searchParams.get("table")
  const mode = searchParams.get("mode") ?? "append"
  if (table === null) return refuse(400, "BadRequest", "Name the table: ?table=messages.")
  if (mode !== "append" && mode !== "replace") return refuse(400, "BadRequest", "The mode is append or replace.")

  const file = join(cacheDir, `${randomUUID()}.jsonl`)
  try {
    if (isExport) {
      await executor.call("exportTable", table, file)
      response.writeHead(200, { "content-type": "application/x-ndjson" })
      await pipeline(createReadStream(file), response)
    } else {
      const descriptor = createPrivateFile(file)
      if (descriptor === null) throw new Error(`The file ${file} exists.`)
      await pipeline(request, createWriteStream(file, { fd: descriptor }))
      const documents = await executor.call("importTable", table, file, mode)
      respond(response, 200, { documents })
    }
  } catch (cause) {
    if (response.headersSent) response.destroy()
    else refuse(400, "TransferFailed", messageOf(cause))
  } finally {
    await rm(file, { force: true })
  }
}
