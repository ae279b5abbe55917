/** The services that the screens use, and hooks to read from them. */
import type { Client, ClientReason, DeviceScope, SessionId } from "@opencode-worker/client"
import { isClientError } from "@opencode-worker/client"
import { createContext, use, useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react"
import type { Outbox, OutboxItem } from "../data/Outbox.ts"
import { PartCache } from "../data/PartCache.ts"
import { type Read, type Result, Sources } from "../data/Sources.ts"
import { openStore, type Store } from "../data/storage.ts"
import { t } from "../text/messages.ts"
import { timelineCopies, type TimelineCopies } from "../timeline/copies.ts"

export interface Services {
  readonly client: Client
  readonly sources: Sources
  readonly outbox: Outbox
  readonly parts: PartCache
  readonly copies: TimelineCopies
  /** Of this device: null with a login provider. */
  readonly scope: DeviceScope | null
  readonly deviceId: string | null
  readonly deployment: string
  readonly signOut: () => Promise<void>
}

/** Copies that are kept between visits. A part may have megabytes, and most have some kB. */
const mostCopies = 3_000

const limitCopies = async (copies: Store<unknown>): Promise<void> => {
  if ((await copies.size()) > mostCopies) await copies.clear()
}

export const makeServices = (
  given: Pick<Services, "client" | "outbox" | "scope" | "deviceId" | "deployment" | "signOut">,
  copies: Store<unknown> = openStore<unknown>("cache")
): Services => {
  limitCopies(copies).catch(() => undefined)
  return {
    ...given,
    sources: new Sources(given.client, copies),
    parts: new PartCache(given.client, copies),
    copies: timelineCopies(copies)
  }
}

const Context = createContext<Services | null>(null)
export const ServicesProvider = Context.Provider

export const useServices = (): Services => {
  const services = use(Context)
  if (services === null) throw new Error("There are no services above this component")
  return services
}

/** The value of a source, and each later one. `read` must depend on the key only. `keep`: shown offline as well. */
export const useSource = <A>(
  key: string,
  read: Read<A>,
  { keep = false }: { readonly keep?: boolean } = {}
): Result<A> & { readonly retry: () => void } => {
  const { sources } = useServices()
  const source = sources.get(key, read, keep)
  const result = useSyncExternalStore(source.subscribe, source.result)
  return { ...result, retry: source.retry }
}

async function* connection(client: Client, signal: AbortSignal): AsyncGenerator<boolean, undefined> {
  let isFirst = true
  for await (const status of client.watchStatus({ signal })) {
    // The first report is before the first attempt.
    if (status || !isFirst) yield status
    isFirst = false
  }
}

/** Milliseconds after which a page that was not connected yet counts as offline. */
const patience = 4_000

/** Whether the deployment is connected. Undefined before the first attempt has ended. */
export const useIsConnected = (): boolean | undefined => {
  const { value } = useSource("connection", connection)
  const [isLate, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), patience)
    return () => clearTimeout(timer)
  }, [])
  return value ?? (isLate ? false : undefined)
}

export const useOutbox = (sessionId: SessionId): ReadonlyArray<OutboxItem> => {
  const { outbox } = useServices()
  const items = useSyncExternalStore(outbox.subscribe, () => outbox.items)
  return useMemo(() => items.filter((item) => item.sessionId === sessionId), [items, sessionId])
}

const ranks = { read: 0, approve: 1, operate: 2 } as const

/** Whether this device may make calls of a scope. */
export const useMay = (needed: DeviceScope): boolean => {
  const { scope } = useServices()
  return scope === null || ranks[scope] >= ranks[needed]
}

const reasonOf = (error: unknown): ClientReason | undefined => (isClientError(error) ? error.reason : undefined)

/** A sentence for a person. */
export const explain = (error: unknown): string => {
  const reason = reasonOf(error)
  if (reason === undefined) return error instanceof Error ? error.message : String(error)
  if (reason._tag === "Unreachable" || reason._tag === "Timeout") return t("error.offline")
  if (reason._tag === "Rejected" && reason.code === "Forbidden") return t("error.forbidden")
  if (reason._tag === "Rejected" && reason.code === "NotFound") return t("error.gone")
  return reason.message
}

export const isSignedOut = (error: unknown): boolean => {
  const reason = reasonOf(error)
  return reason?._tag === "Rejected" && (reason.code === "Revoked" || reason.code === "Unauthenticated")
}

export interface Action {
  /** `then` runs after it has succeeded. */
  readonly run: (action: () => Promise<unknown>, then?: () => void) => Promise<void>
  readonly isRunning: boolean
  readonly error: string | null
}

/** Runs one action at a time, and keeps the reason of a failure. */
export const useAction = (): Action => {
  const [state, set] = useState<{ readonly isRunning: boolean; readonly error: string | null }>({
    isRunning: false,
    error: null
  })
  const run = useCallback(async (action: () => Promise<unknown>, then?: () => void) => {
    set({ isRunning: true, error: null })
    try {
      await action()
      set({ isRunning: false, error: null })
      then?.()
    } catch (error) {
      set({ isRunning: false, error: explain(error) })
    }
  }, [])
  return { run, ...state }
}

/** The current time, again after each `interval` milliseconds. */
export const useNow = (interval = 15_000): number => {
  const [now, set] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), interval)
    return () => clearInterval(timer)
  }, [interval])
  return now
}
