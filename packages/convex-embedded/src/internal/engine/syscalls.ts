/** The `ctx` of queries and mutations, and the part of an action's `ctx` that is a transaction. */
import type { JSONValue } from "convex/values"
import { cancelJob, insertJob } from "./jobs.ts"
import type { Frame } from "../functions/runtime.ts"
import { page, type PageRequest, type SerializedQuery, stream } from "../query/query.ts"
import type { Transaction } from "../query/transaction.ts"
import { insert, patch, remove, replace } from "../query/writes.ts"
import type { Row } from "../storage/document-tables.ts"
import { timedOut } from "../values/errors.ts"
import { type FunctionAddress, pathOf } from "../values/function-path.ts"
import type { FunctionHost, Invocation } from "./invocation.ts"
import {
  DEPLOYMENT,
  dispatch,
  handleOf,
  metadata,
  notSupported,
  type Operations,
  rethrowing,
  type RunArgument
} from "./operations.ts"
import { dispatchStorage } from "./storage-syscalls.ts"

interface DocumentReference {
  readonly id: string
  readonly table?: string
  readonly isSystem?: boolean
}

type ScheduleArgument = RunArgument & { readonly ts: number }

const NOTHING = "{}"

/** The frame in which a query or mutation runs. */
export const transactionFrame = (host: FunctionHost, transaction: Transaction, invocation: Invocation): Frame => {
  const { catalog } = transaction
  const { execution, function: running, stopwatch } = invocation
  const { identity, page: paging } = execution
  const streams = new Map<number, Generator<Row>>()
  let [nextStream, hasPaginated] = [0, false]

  /** `ctx.db.get(table, id)` names the table; `get(id)` does not. */
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
    "1.0/createFunctionHandle": (address: FunctionAddress) => handleOf(host, address),
    "1.0/get": (reference: DocumentReference) => {
      checkReference("get", reference)
      return transaction.get(reference.id) ?? "null"
    },
    "1.0/getDeploymentMetadata": () => DEPLOYMENT,
    "1.0/getFunctionMetadata": () => metadata(running.path),
    "1.0/getUserIdentity": () => JSON.stringify(identity),
    "1.0/insert": ({ table, value }: { table: string; value: JSONValue }) =>
      JSON.stringify({ _id: insert(transaction, table, value) }),
    "1.0/queryPage": (request: PageRequest) => {
      if (hasPaginated) {
        throw new Error(
          "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function."
        )
      }
      hasPaginated = true
      const found = page(host.cursors, transaction, request, paging.previous)
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
      return remove(transaction, reference.id)
    },
    "1.0/replace": (argument: DocumentReference & { value: JSONValue }) => {
      checkReference("replace", argument)
      replace(transaction, argument.id, argument.value)
      return NOTHING
    },
    [RUN_FUNCTION]: (argument: RunArgument & { udfType: string; transactionLimits?: object }) => {
      if (argument.udfType === "snapshotQuery") throw notSupported("runQuery with useStaleSnapshot")
      if (argument.transactionLimits !== undefined) throw notSupported("A call with transactionLimits")
      const kind = argument.udfType === "mutation" ? "mutation" : "query"
      const found = host.find({ caller: "function", path: pathOf(argument) }, kind)
      const run = () => host.invoke(found, argument.args, execution, transaction)
      // Afterwards the calling function occupies the thread again.
      const resume = () => host.watchdog.enter()
      return rethrowing(() => (kind === "mutation" ? transaction.nested(run) : run())).finally(resume)
    },
    "1.0/schedule": (argument: ScheduleArgument) => {
      transaction.usage.countScheduled(argument.args)
      return JSON.stringify(insertJob(host, transaction, argument))
    },
    "1.0/shallowMerge": (argument: DocumentReference & { value: Record<string, JSONValue> }) => {
      checkReference("patch", argument)
      patch(transaction, argument.id, argument.value)
      return NOTHING
    }
  }

  // A nested function runs alone: calls of its caller wait meanwhile, so that a rollback undoes only its own writes.
  let nested: Promise<unknown> | null = null
  const inOrder = (operation: string, run: () => string | Promise<string>): string | Promise<string> => {
    const result = nested === null ? run() : nested.then(run)
    if (operation === RUN_FUNCTION) nested = Promise.resolve(result).catch(() => undefined)
    return result
  }

  /** Calls of the deployment do not count for the function, except after its time is up. */
  const asDeployment = <A>(run: () => A): A => {
    assertRunning()
    const since = host.watchdog.leave()
    try {
      return run()
    } finally {
      host.watchdog.enter(stopwatch.left > 0 ? undefined : since)
    }
  }

  const assertRunning = () => {
    if (stopwatch.left <= 0) throw timedOut(host.userTimeLimit)
    if (invocation.ended) throw new Error(`The function ${running.path} has ended: it can no longer use its ctx.`)
  }

  return {
    asyncSyscall: async (operation, argument) => {
      stopwatch.pause()
      try {
        return await inOrder(operation, () =>
          asDeployment(
            () =>
              dispatchStorage(host.fileUrls, transaction, operation, argument) ??
              dispatch(asyncSyscalls, operation, transaction.withCommitTs(argument))
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
      return dispatch(syscalls, operation, transaction.withCommitTs(argument)) as string
    }
  }
}

const RUN_FUNCTION = "1.0/runUdf"

/** System calls of actions that are a transaction of their own. */
export const dispatchForAction = (
  host: FunctionHost,
  transaction: Transaction,
  operation: string,
  argument: string
): string => {
  const operations: Operations = {
    "1.0/actions/cancel_job": ({ id }: { id: string }) => {
      cancelJob(transaction, id)
      return "null"
    },
    "1.0/actions/schedule": (request: ScheduleArgument) => JSON.stringify(insertJob(host, transaction, request)),
    "1.0/createFunctionHandle": (address: FunctionAddress) => handleOf(host, address)
  }
  return (
    dispatchStorage(host.fileUrls, transaction, operation, argument) ??
    (dispatch(operations, operation, argument) as string)
  )
}

const integer = (value: bigint): string => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(value)
  return JSON.stringify({ $integer: bytes.toString("base64") })
}
