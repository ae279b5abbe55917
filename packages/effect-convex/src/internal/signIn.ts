/** Signs clients in, and keeps them signed in while a deployment that starts refuses valid tokens. */
import type { ConvexClient as Client } from "convex/browser"

/** Milliseconds in which a deployment that refuses fresh tokens is asked again. One may fetch the keys of an issuer again after 30 s. */
const refusalPatience = 120_000

/** `replace` ends a client that the Convex client would continue without an identity, as it does after some refusals. */
export const makeSignIn = (nextToken: () => Promise<string | null>, now: () => number) => {
  let last: string | null = null
  /** The last token that the deployment has accepted. */
  let accepted: string | null = null
  let refusedSince: number | undefined
  const next = async () => (last = await nextToken())
  return (client: Client, replace: () => void) =>
    client.setAuth(next, (isAccepted) => {
      if (isAccepted) {
        accepted = last
        refusedSince = undefined
        return
      }
      const isFresh = accepted !== null && last !== null && last !== accepted
      refusedSince ??= now()
      if (isFresh && now() - refusedSince < refusalPatience) replace()
    })
}
