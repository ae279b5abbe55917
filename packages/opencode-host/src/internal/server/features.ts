/** The operations of OpenCode's API that this package needs. A version that was not tested is probed for them. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { type Access, readAs } from "./http.ts"

/** Path -> methods, as in OpenCode's description of its API. */
export const needed: Readonly<Record<string, ReadonlyArray<string>>> = {
  "/agent": ["get"],
  "/command": ["get"],
  "/config": ["get"],
  "/config/providers": ["get"],
  "/event": ["get"],
  "/global/dispose": ["post"],
  "/permission": ["get"],
  "/permission/{requestID}/reply": ["post"],
  "/question": ["get"],
  "/question/{requestID}/reject": ["post"],
  "/question/{requestID}/reply": ["post"],
  "/session": ["get", "post"],
  "/session/status": ["get"],
  "/session/{sessionID}": ["get", "patch", "delete"],
  "/session/{sessionID}/abort": ["post"],
  "/session/{sessionID}/children": ["get"],
  "/session/{sessionID}/command": ["post"],
  "/session/{sessionID}/fork": ["post"],
  "/session/{sessionID}/message": ["get"],
  "/session/{sessionID}/message/{messageID}": ["get"],
  "/session/{sessionID}/prompt_async": ["post"],
  "/session/{sessionID}/revert": ["post"],
  "/session/{sessionID}/shell": ["post"],
  "/session/{sessionID}/summarize": ["post"],
  "/session/{sessionID}/unrevert": ["post"],
  "/skill": ["get"]
}

const isRecord = (body: unknown): body is Readonly<Record<string, unknown>> => Predicate.isObject(body)

/** The operations that the server does not have, such as `POST /session`. All, if it does not describe its API. */
export const missingFeatures = (access: Access) =>
  readAs(access, { operation: "features", path: "/doc" }, isRecord).pipe(
    Effect.map((described) => (Predicate.isObject(described["paths"]) ? described["paths"] : {})),
    Effect.orElseSucceed(() => ({})),
    Effect.map((paths) =>
      Object.entries(needed).flatMap(([path, methods]) => {
        const offered = Predicate.hasProperty(paths, path) ? paths[path] : undefined
        return methods
          .filter((method) => !Predicate.hasProperty(offered, method))
          .map((method) => `${method.toUpperCase()} ${path}`)
      })
    )
  )
