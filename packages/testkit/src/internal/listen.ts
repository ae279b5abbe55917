/** Listening on a free port of 127.0.0.1, for as long as the scope. */
import type { Server } from "node:net"
import { Effect } from "effect"
import { ListenFailed, TestkitError } from "../TestkitError.ts"

/** Returns the port. Closing waits until `closeConnections` has closed the last connection. */
export const listen = Effect.fnUntraced(function* <A extends Server>(
  who: string,
  create: () => A,
  closeConnections: (server: A) => void = () => {}
) {
  const refused = (cause: unknown) => new TestkitError({ reason: new ListenFailed({ who, cause }) })
  const server = yield* Effect.acquireRelease(Effect.sync(create), (opened) =>
    Effect.callback<void>((resume) => {
      opened.close(() => resume(Effect.void))
      closeConnections(opened)
    })
  )
  return yield* Effect.callback<number, TestkitError>((resume) => {
    server.once("error", (cause) => resume(Effect.fail(refused(cause))))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(
        typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.fail(refused(address))
      )
    })
  })
})
