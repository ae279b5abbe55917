/**
 * The version of the protocol between workers and the deployment, `major.minor`. The minor version increases when a worker needs a
 * function or field that is new. The deployment accepts its own version and the previous minor one, so that the functions
 * can be deployed before the workers are updated.
 */
import { appError, type ErrorData } from "./errors.ts"

export const PROTOCOL = "1.0"

const read = (version: string): readonly [major: number, minor: number] => {
  const [, major, minor] = /^(\d{1,6})\.(\d{1,6})$/.exec(version) ?? []
  if (major === undefined || minor === undefined)
    throw appError("InvalidArgument", "protocol is not written major.minor")
  return [Number(major), Number(minor)]
}

/** Why a worker with this version cannot be served, with the remedy; null if it can. A worker that sends none has 1.0. */
export const incompatibility = (worker = "1.0", deployment = PROTOCOL): ErrorData | null => {
  const [major, minor] = read(worker)
  const [ownMajor, ownMinor] = read(deployment)
  if (major === ownMajor && (minor === ownMinor || minor === ownMinor - 1)) return null
  const isNewer = major > ownMajor || (major === ownMajor && minor > ownMinor)
  const remedy = isNewer
    ? "deploy the functions of @opencode-worker/convex-backend of the worker's release"
    : "update opencode-worker on the worker's machine"
  const message = `The worker's protocol ${worker} is ${isNewer ? "newer" : "older"} than the deployment's ${deployment}: ${remedy}`
  return { code: "Incompatible", message }
}
