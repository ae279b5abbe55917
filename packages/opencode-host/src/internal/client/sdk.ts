/** The official SDK over the server that runs. It adds the password to each request, so the client holds none. */
import { createOpencodeClient, type OpencodeClient } from "@opencode-ai/sdk/v2/client"
import type { OpenCodeServer } from "../../OpenCodeServer.ts"
import { authorization } from "../server/http.ts"

/** Replaced in each request: a server that was restarted listens elsewhere. */
const anyServer = "http://opencode.invalid"

export const makeSdk = (
  directory: string,
  server: (options: { readonly signal: AbortSignal }) => Promise<OpenCodeServer>
): OpencodeClient =>
  createOpencodeClient({
    baseUrl: anyServer,
    directory,
    fetch: async (input, init) => {
      const asked = new Request(input, init)
      const access = await server({ signal: asked.signal })
      const { pathname, search } = new URL(asked.url)
      const sent = new Request(new URL(`${pathname}${search}`, access.url), asked)
      sent.headers.set("authorization", authorization(access))
      return fetch(sent)
    }
  })
