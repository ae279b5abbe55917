/** A session: its timeline, todos, waiting requests and composer. */
import type { SessionDetails, SessionId } from "@opencode-worker/client"
import { lazy, Suspense, useEffect, useState } from "react"
import { isTyping } from "../app/keyboard.ts"
import { useMay, useOutbox, useServices, useSource } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { titleOf, useMachines, useSession } from "../data/lists.ts"
import { t, tn } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Empty, Foreign, Head, Loading, Problem } from "../ui/parts.tsx"
import { SessionTimeline } from "../timeline/SessionTimeline.tsx"
import { Timeline } from "../timeline/Timeline.ts"
import { Composer } from "./composer/Composer.tsx"

const Queue = lazy(() => import("./Queue.tsx"))
const SessionActions = lazy(() => import("./SessionActions.tsx"))

const useTimeline = (sessionId: SessionId): Timeline | null => {
  const { client, copies, outbox } = useServices()
  const [timeline, set] = useState<Timeline | null>(null)
  const items = useOutbox(sessionId)
  useEffect(() => {
    const opened = new Timeline(client, sessionId, { copies })
    set(opened)
    opened.open()
    return () => opened.close()
  }, [client, copies, sessionId])
  useEffect(() => {
    if (timeline === null) return undefined
    timeline.setOutbox(items)
    return timeline.subscribe(() => outbox.seen(timeline.turnIds))
  }, [items, outbox, timeline])
  return timeline
}

/** `turnId`: the turn to show first. */
export default function SessionScreen({
  sessionId: given,
  turnId
}: {
  readonly sessionId: string
  readonly turnId: string | null
}) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the address; the deployment refuses others
  const sessionId = given as SessionId
  const { client } = useServices()
  const session = useSession(sessionId)
  const timeline = useTimeline(sessionId)
  const machine = useMachines()
  const mayOperate = useMay("operate")
  const [isActing, setActing] = useState(false)
  const [isQueueOpen, setQueueOpen] = useState(false)
  const running = session.value?.queue.find(({ status }) => status !== "queued")
  const stop = () => {
    if (running !== undefined) void client.turns.abort(running.turnId).catch(() => undefined)
  }
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !isTyping(event) && mayOperate) stop()
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  })

  if (session.value === null) {
    return (
      <section className="pane">
        <Head title={t("nav.sessions")} back={{ name: "sessions" }} />
        <Empty icon="sessions" title={t("session.gone")} />
      </section>
    )
  }
  const { value } = session
  const queued = value?.queue.filter(({ status }) => status === "queued").length ?? 0
  const worker = value === undefined ? undefined : machine(value.workerId)
  const title = value === undefined ? t("common.loading") : titleOf(value)
  return (
    <section className="pane" aria-label={title}>
      <Head
        title={<Foreign>{title}</Foreign>}
        back={{ name: "sessions" }}
        lead={worker !== undefined && <span className={`dot ${worker.online ? "" : "off"}`} aria-hidden="true" />}
      >
        {worker !== undefined && (
          <a className="sub plain-link" href={href({ name: "machine", workerId: worker.workerId })}>
            <Foreign>{worker.machine}</Foreign>
            {!worker.online && ` · ${t("machines.offlineUnknown")}`}
          </a>
        )}
        {mayOperate && (
          <button
            type="button"
            className="icon-button"
            aria-label={t("session.actions")}
            onClick={() => setActing(true)}
          >
            <Icon name="more" />
          </button>
        )}
      </Head>
      {session.error !== undefined && <Problem error={session.error} retry={session.retry} />}
      {value !== undefined && <Todos session={value} />}
      {timeline === null ? <Loading /> : <SessionTimeline timeline={timeline} at={turnId} />}
      <Waiting sessionId={sessionId} isRunning={running !== undefined} />
      {mayOperate && queued > 0 && (
        <button type="button" className="strip queued" aria-haspopup="dialog" onClick={() => setQueueOpen(true)}>
          <span className="grow">{tn("queue.waiting", queued)}</span>
          <span className="link">{t("queue.change")}</span>
        </button>
      )}
      {mayOperate && (
        <Composer
          key={sessionId}
          sessionId={sessionId}
          workerId={value?.workerId ?? null}
          isRunning={running !== undefined}
          onStop={stop}
        />
      )}
      {isQueueOpen && (
        <Suspense fallback={null}>
          <Queue sessionId={sessionId} onClose={() => setQueueOpen(false)} />
        </Suspense>
      )}
      {isActing && value !== undefined && (
        <Suspense fallback={null}>
          <SessionActions session={value} onClose={() => setActing(false)} />
        </Suspense>
      )}
    </section>
  )
}

/** The requests of a session that runs. */
const Waiting = ({ isRunning, sessionId }: { readonly sessionId: SessionId; readonly isRunning: boolean }) => {
  const { value = [] } = useSource(`requests:${sessionId}`, (client, signal) =>
    client.requests.watch({ sessionId, signal })
  )
  const [first] = value
  if (first === undefined || !isRunning) return null
  return (
    <a className="waiting-request" href={href({ name: "request", requestId: first.requestId })}>
      <span className="grow">
        <b>{t("session.waits")}</b>
        <span className="sub block clip">
          <Foreign>{first.subject}</Foreign>
        </span>
      </span>
      <span className="button small">{t("inbox.review")}</span>
    </a>
  )
}

const Todos = ({ session: { context, todos } }: { readonly session: SessionDetails }) => {
  const [isOpen, setOpen] = useState(false)
  const done = todos.filter(({ status }) => status === "completed" || status === "cancelled").length
  const current =
    todos.find(({ status }) => status === "in_progress") ?? todos.find(({ status }) => status === "pending")
  const percent = context?.limit === undefined ? 0 : Math.round((100 * context.tokens) / context.limit)
  if (todos.length === 0) {
    return percent < 50 ? null : <p className="strip">{t("session.context", { percent })}</p>
  }
  return (
    <>
      <button type="button" className="strip" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <span>{t("session.todos", { done, count: todos.length })}</span>
        <progress value={done} max={todos.length} aria-label={t("session.todosLabel", { done, count: todos.length })} />
        <span className="grow clip">{current !== undefined && <Foreign>{current.content}</Foreign>}</span>
        {percent >= 50 && <span>{percent} %</span>}
      </button>
      {isOpen && (
        <ul className="todos">
          {todos.map(({ content, status }, index) => (
            <li key={index} className={status === "completed" || status === "cancelled" ? "done" : ""}>
              <Icon name={status === "completed" ? "check" : status === "in_progress" ? "wait" : "circle"} />
              <Foreign>{content}</Foreign>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}
