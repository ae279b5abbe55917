/** What `ctx` can do: the operations that the `convex` package asks for, by their names on that border. */
import type { JSONValue } from "convex/values"
import type { Engine, Invocation } from "./engine.ts"
import { failureOf, timedOut } from "./errors.ts"
import { deleteFile, describeFile, fileMetadata, readFile, storeFile } from "./files.ts"
import { type FunctionAddress, functionHandle, pathOf } from "./functions.ts"
import { cancelJob, insertJob } from "./jobs.ts"
import { page, type PageRequest, type SerializedQuery, stream } from "./query.ts"
import type { Frame } from "./runtime.ts"
import type { Row } from "./store.ts"
import type { Transaction } from "./transaction.ts"

export type Operations = Record<string, (argument: never) => string | Promise<string>>

interface DocumentReference {
  readonly id: string
  readonly table?: string
  readonly isSystem?: boolean
}

export type RunArgument = FunctionAddress & { readonly args: JSONValue }
type ScheduleArgument = RunArgument & { readonly ts: number }

const NOTHING = "{}"

/** The border of a query or mutation. */
export const transactionFrame = (engine: Engine, transaction: Transaction, invocation: Invocation): Frame => {
  const { catalog } = transaction
  const { execution, function: running, stopwatch } = invocation
  const { identity, page: paging } = execution
  const streams = new Map<number, Generator<Row>>()
  let [nextStream, hasPaginated] = [0, false]

  /** `ctx.db.get(table, id)` says which table it means; `get(id)` does not. */
  const checkReference = (method: string, { id, isSystem, table }: DocumentReference) => {
    const owner = catalog.tableOf(id)
    if (owner === null) {
      throw new Error(
        `Invalid argument \`id\` for \`db.${method}\`: Unable to decode ID: '${id}' is not a document ID.`
      )
    }
    if (table !== undefined && owner.name !== table) {
      throw new Error(
        `Invalid argument \`id\` for \`db.${method}\`: '${id}' is an ID of table '${owner.name}', not of '${table}'.`
      )
    }
    if (method === "get" && owner.name.startsWith("_") !== (isSystem ?? false)) {
      throw new Error(`System tables can only be accessed from db.system, other tables only from db: '${owner.name}'.`)
    }
  }

  const syscalls: Operations = {
    "1.0/db/normalizeId": ({ idString, table }: { idString: string; table: string }) =>
      JSON.stringify({ id: catalog.isId(idString, table) ? idString : null }),
    "1.0/getSnapshotTs": () => integer(transaction.snapshotTs),
    "1.0/queryCleanup": ({ queryId }: { queryId: number }) => {
      streams.get(queryId)?.return(undefined)
      streams.delete(queryId)
      return NOTHING
    },
    "1.0/queryStream": ({ query }: { query: SerializedQuery }) => {
      const queryId = nextStream++
      streams.set(queryId, stream(transaction, query))
      return JSON.stringify({ queryId })
    }
  }

  const asyncSyscalls: Operations = {
    "1.0/cancel_job": ({ id }: { id: string }) => {
      cancelJob(transaction, id)
      return "null"
    },
    "1.0/createFunctionHandle": (address: FunctionAddress) => handleOf(engine, address),
    "1.0/get": (reference: DocumentReference) => {
      checkReference("get", reference)
      return transaction.get(reference.id) ?? "null"
    },
    "1.0/getDeploymentMetadata": () => DEPLOYMENT,
    "1.0/getFunctionMetadata": () => metadata(running.path),
    "1.0/getUserIdentity": () => JSON.stringify(identity),
    "1.0/insert": ({ table, value }: { table: string; value: JSONValue }) =>
      JSON.stringify({ _id: transaction.insert(table, value) }),
    "1.0/queryPage": (request: PageRequest) => {
      if (hasPaginated) {
        throw new Error(
          "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function."
        )
      }
      hasPaginated = true
      const found = page(engine.cursors, transaction, request, paging.previous)
      paging.journal = found.continueCursor
      const { page: documents, ...rest } = found
      return `{"page":[${documents.join(",")}],${JSON.stringify(rest).slice(1)}`
    },
    "1.0/queryStreamNext": ({ queryId }: { queryId: number }) => {
      const next = streams.get(queryId)?.next()
      return next === undefined || next.done
        ? '{"value":null,"done":true}'
        : `{"value":${next.value.json},"done":false}`
    },
    "1.0/remove": (reference: DocumentReference) => {
      checkReference("delete", reference)
      return transaction.remove(reference.id)
    },
    "1.0/replace": (argument: DocumentReference & { value: JSONValue }) => {
      checkReference("replace", argument)
      transaction.replace(argument.id, argument.value)
      return NOTHING
    },
    [RUN_FUNCTION]: (argument: RunArgument & { udfType: string; transactionLimits?: object }) => {
      if (argument.udfType === "snapshotQuery") throw notSupported("runQuery with useStaleSnapshot")
      if (argument.transactionLimits !== undefined) throw notSupported("A call with transactionLimits")
      const kind = argument.udfType === "mutation" ? "mutation" : "query"
      const found = engine.find({ caller: "function", path: pathOf(argument) }, kind)
      const run = () => engine.invoke(found, argument.args, execution, transaction)
      // The nested function leaves the thread to the one around it.
      const resume = () => engine.pulse.enter()
      return rethrowing(() => (kind === "mutation" ? transaction.nested(run) : run())).finally(resume)
    },
    "1.0/schedule": (argument: ScheduleArgument) => {
      transaction.usage.countScheduled(argument.args)
      return JSON.stringify(insertJob(engine, transaction, argument))
    },
    "1.0/shallowMerge": (argument: DocumentReference & { value: Record<string, JSONValue> }) => {
      checkReference("patch", argument)
      transaction.patch(argument.id, argument.value)
      return NOTHING
    }
  }

  // A nested function runs alone: what its caller asks for meanwhile waits, so that a rollback undoes only its own writes.
  let nested: Promise<unknown> | null = null
  const inOrder = (operation: string, run: () => string | Promise<string>): string | Promise<string> => {
    const result = nested === null ? run() : nested.then(run)
    if (operation === RUN_FUNCTION) nested = Promise.resolve(result).catch(() => undefined)
    return result
  }

  /** A function whose time is up stays the one that has the thread, whatever it asks for. */
  const asDeployment = <A>(run: () => A): A => {
    assertRunning()
    const since = engine.pulse.leave()
    try {
      return run()
    } finally {
      engine.pulse.enter(stopwatch.left > 0 ? undefined : since)
    }
  }

  const assertRunning = () => {
    if (stopwatch.left <= 0) throw timedOut(engine.userTimeLimit)
    if (invocation.ended) throw new Error(`The function ${running.path} has ended: it can no longer use its ctx.`)
  }

  return {
    asyncSyscall: async (operation, argument) => {
      stopwatch.pause()
      try {
        return await inOrder(operation, () =>
          asDeployment(
            () =>
              performStorage(engine, transaction, operation, argument) ?? perform(asyncSyscalls, operation, argument)
          )
        )
      } finally {
        stopwatch.resume()
      }
    },
    console: execution.console,
    determinism: execution.determinism,
    jsSyscall: (operation) => {
      throw notSupported(operation)
    },
    kind: running.kind,
    syscall: (operation, argument) => {
      assertRunning()
      return perform(syscalls, operation, argument) as string
    }
  }
}

const RUN_FUNCTION = "1.0/runUdf"

interface StorageArgument {
  readonly storageId: string
  /** In base 64. */
  readonly blob: string
  readonly contentType?: string
  readonly sha256?: string
}

type StorageOperation = (engine: Engine, transaction: Transaction, argument: StorageArgument) => string

/** `ctx.storage`, which is the same everywhere but for blobs in actions. */
const storageOperations: Record<string, StorageOperation> = {
  "1.0/storageDelete": (_, transaction, { storageId }) => {
    deleteFile(transaction, storageId)
    return "null"
  },
  "1.0/storageGenerateUploadUrl": ({ fileUrls }) => JSON.stringify(fileUrls.upload()),
  "1.0/storageGet": (_, transaction, { storageId }) => {
    const found = readFile(transaction, storageId)
    if (found === null) return "null"
    return JSON.stringify({ blob: Buffer.from(found.bytes).toString("base64"), contentType: found.contentType })
  },
  "1.0/storageGetMetadata": (_, transaction, { storageId }) => JSON.stringify(fileMetadata(transaction, storageId)),
  "1.0/storageGetUrl": ({ fileUrls }, transaction, { storageId }) =>
    JSON.stringify(describeFile(transaction, storageId) === null ? null : fileUrls.file(storageId)),
  "1.0/storageStore": (_, transaction, { blob, contentType, sha256 }) => {
    const content = { bytes: Buffer.from(blob, "base64"), contentType: contentType || null }
    return JSON.stringify(storeFile(transaction, content, sha256))
  }
}

/** What an action asks for that is a transaction of its own. */
export const performForAction = (
  engine: Engine,
  transaction: Transaction,
  operation: string,
  argument: string
): string => {
  const operations: Operations = {
    "1.0/actions/cancel_job": ({ id }: { id: string }) => {
      cancelJob(transaction, id)
      return "null"
    },
    "1.0/actions/schedule": (request: ScheduleArgument) => JSON.stringify(insertJob(engine, transaction, request)),
    "1.0/createFunctionHandle": (address: FunctionAddress) => handleOf(engine, address)
  }
  return (
    performStorage(engine, transaction, operation, argument) ?? (perform(operations, operation, argument) as string)
  )
}

/** `null` when the operation is not one of `ctx.storage`. */
const performStorage = (engine: Engine, transaction: Transaction, name: string, argument: string): string | null =>
  Object.hasOwn(storageOperations, name)
    ? storageOperations[name]!(engine, transaction, JSON.parse(argument) as StorageArgument)
    : null

export const perform = (operations: Operations, name: string, argument: string): string | Promise<string> => {
  if (!Object.hasOwn(operations, name)) throw notSupported(name)
  return operations[name]!(JSON.parse(argument) as never)
}

export const notSupported = (name: string) => new Error(`${name} is not supported by convex-embedded.`)

/** A failure of a called function, as the `convex` package expects it: the data of a `ConvexError` beside the message. */
export const rethrowing = async (run: () => Promise<string>): Promise<string> => {
  try {
    return await run()
  } catch (cause) {
    const { data, message } = failureOf(cause)
    throw data === undefined ? cause : Object.assign(new Error(message), { data })
  }
}

const handleOf = (engine: Engine, address: FunctionAddress): string => {
  const path = pathOf(address)
  if (engine.lookup(path) === undefined) throw new Error(`No function exists at '${path}'.`)
  return JSON.stringify(functionHandle(path))
}

/** Named as the deployments of one machine are, in the smallest class. */
export const DEPLOYMENT = JSON.stringify({ class: "s16", name: "local-convex-embedded", region: null })

export const metadata = (path: string): string => JSON.stringify({ componentPath: "", name: path })

const integer = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return JSON.stringify({ $integer: bytes.toString("base64") })
}
