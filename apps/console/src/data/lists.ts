/** The sources that several screens share. */
import type { Session, SessionId, Worker } from "@opencode-worker/client"
import { useMemo } from "react"
import { useSource } from "../app/Services.ts"
import { t } from "../text/messages.ts"

export const useWorkers = () =>
  useSource("workers", (client, signal) => client.workers.watch({ signal }), { keep: true })

const sessionsShown = 50

export const useSessions = () =>
  useSource("sessions", (client, signal) => client.sessions.watch({ limit: sessionsShown, signal }), { keep: true })

/** A session with its todos and queue; null if there is none. */
export const useSession = (sessionId: SessionId) =>
  useSource(`session:${sessionId}`, (client, signal) => client.sessions.follow(sessionId, { signal }), { keep: true })

export const useWaitingRequests = () => useSource("requests", (client, signal) => client.requests.watch({ signal }))

/** The machine of a worker, by its id. */
export const useMachines = (): ((workerId: string) => Worker | undefined) => {
  const { value } = useWorkers()
  return useMemo(() => {
    const workers = new Map<string, Worker>((value ?? []).map((worker) => [worker.workerId, worker]))
    return (workerId) => workers.get(workerId)
  }, [value])
}

/** The title of a session; one without a prompt has none of its own. */
export const titleOf = ({ title }: Pick<Session, "title">): string => (title === "" ? t("sessions.new") : title)
