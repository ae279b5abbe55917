/** The messages of the sync protocol, and the validation of client messages. */
import type { JSONValue } from "convex/values"
import { parseJson } from "../values/json.ts"

export type ClientMessage =
  | { readonly type: "Connect"; readonly sessionId: string; readonly maxObservedTimestamp: bigint | null }
  | {
      readonly type: "Authenticate"
      readonly baseVersion: number
      readonly tokenType: string
      readonly value: string
      /** Of an admin: the attributes of the user to act as. */
      readonly impersonating?: unknown
    }
  | {
      readonly type: "ModifyQuerySet"
      readonly baseVersion: number
      readonly newVersion: number
      readonly modifications: ReadonlyArray<QueryModification>
    }
  | {
      readonly type: "Mutation" | "Action"
      readonly requestId: number
      readonly udfPath: string
      readonly args: JSONValue
    }
  | { readonly type: "Event" }

export type QueryModification =
  | {
      readonly type: "Add"
      readonly queryId: number
      readonly udfPath: string
      readonly args: JSONValue
      readonly journal: string | null
    }
  | { readonly type: "Remove"; readonly queryId: number }

export interface Version {
  readonly querySet: number
  readonly identity: number
  readonly ts: bigint
}

/** Fails with the reason if the message is invalid. */
export const decodeClientMessage = (text: string): ClientMessage => {
  const message = object(parseJson(text), "the message")
  switch (message["type"]) {
    case "Connect":
      return {
        maxObservedTimestamp:
          message["maxObservedTimestamp"] === undefined ? null : decodeTs(string(message, "maxObservedTimestamp")),
        sessionId: string(message, "sessionId"),
        type: "Connect"
      }
    case "Authenticate":
      return {
        baseVersion: count(message, "baseVersion"),
        impersonating: message["impersonating"],
        tokenType: string(message, "tokenType"),
        type: "Authenticate",
        value: message["tokenType"] === "None" ? "" : string(message, "value")
      }
    case "ModifyQuerySet":
      return {
        baseVersion: count(message, "baseVersion"),
        modifications: array(message, "modifications").map((each) => queryModification(object(each, "a modification"))),
        newVersion: count(message, "newVersion"),
        type: "ModifyQuerySet"
      }
    case "Mutation":
    case "Action":
      return {
        args: onlyArgument(message),
        requestId: count(message, "requestId"),
        type: message["type"],
        udfPath: string(message, "udfPath")
      }
    case "Event":
      return { type: "Event" }
    default:
      throw new Error(`unknown message type ${JSON.stringify(message["type"])?.slice(0, 50)}`)
  }
}

export const encodeTs = (ts: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(ts)
  return bytes.toString("base64")
}

const decodeTs = (text: string): bigint => {
  const bytes = Buffer.from(text, "base64")
  if (bytes.length !== 8) throw new Error("a timestamp must have 8 bytes")
  return bytes.readBigUInt64LE()
}

/** As JSON text. */
export const encodeVersion = ({ identity, querySet, ts }: Version): string =>
  `{"identity":${identity},"querySet":${querySet},"ts":"${encodeTs(ts)}"}`

type Fields = { readonly [field: string]: unknown }

const queryModification = (modification: Fields): QueryModification => {
  const queryId = count(modification, "queryId")
  if (modification["type"] === "Remove") return { queryId, type: "Remove" }
  if (modification["type"] !== "Add") throw new Error("unknown modification type")
  return {
    args: onlyArgument(modification),
    journal: typeof modification["journal"] === "string" ? modification["journal"] : null,
    queryId,
    type: "Add",
    udfPath: string(modification, "udfPath")
  }
}

/** Functions take one object, which is sent as the only element of a list. */
const onlyArgument = (fields: Fields): JSONValue => (array(fields, "args")[0] ?? {}) as JSONValue

const object = (value: unknown, what: string): Fields => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error(`${what} must be an object`)
  return value as Fields
}

const string = (fields: Fields, field: string): string => {
  const value = fields[field]
  if (typeof value !== "string") throw new Error(`${field} must be a string`)
  return value
}

const count = (fields: Fields, field: string): number => {
  const value = fields[field]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new Error(`${field} must be a whole number`)
  return value as number
}

const array = (fields: Fields, field: string): ReadonlyArray<unknown> => {
  const value = fields[field]
  if (!Array.isArray(value)) throw new Error(`${field} must be a list`)
  return value
}
