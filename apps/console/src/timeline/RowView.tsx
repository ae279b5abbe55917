/** One row of the timeline. It renders again only when its own row changes. */
import { cleanText } from "@opencode-worker/client/text"
import type { Turn } from "@opencode-worker/client"
import { useState, useSyncExternalStore } from "react"
import { explain, useIsConnected, useMay, useServices } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { cost, elapsed, tokens } from "../text/format.ts"
import { t, tn } from "../text/messages.ts"
import { Foreign } from "../ui/parts.tsx"
import { BlockView } from "./BlockView.tsx"
import type { Row } from "./rows.ts"
import { TurnFiles } from "./TurnFiles.tsx"
import type { Timeline } from "./Timeline.ts"

export const RowView = ({ rowKey, timeline }: { readonly timeline: Timeline; readonly rowKey: string }) => {
  const row = useSyncExternalStore(
    (listener) => timeline.subscribeRow(rowKey, listener),
    () => timeline.row(rowKey)
  )
  if (row === undefined) return null
  if (row.kind === "sending") return <Sending item={row.item} />
  return (
    <div className={row.turn.undone ? "undone" : ""}>
      {row.kind === "prompt" ? (
        <Prompt turn={row.turn} />
      ) : row.kind === "block" ? (
        <BlockView row={row} />
      ) : (
        <End turn={row.turn} />
      )}
    </div>
  )
}

/** Runs an action of a row, and shows why it failed. */
const useRowAction = () => {
  const [error, set] = useState<string | null>(null)
  const run = (action: () => Promise<unknown>) => {
    set(null)
    action().catch((cause: unknown) => set(explain(cause)))
  }
  return { error, run }
}

const Prompt = ({ turn }: { readonly turn: Turn }) => {
  const { client } = useServices()
  const mayOperate = useMay("operate")
  const { error, run } = useRowAction()
  const [whole, setWhole] = useState<string | null>(null)
  const isCut = turn.length > turn.head.length && whole === null
  const isQueued = turn.status === "queued"
  return (
    <article className={`prompt ${isQueued ? "waiting" : ""}`} aria-label={t("prompt.label")} dir="auto">
      {cleanText(whole ?? turn.head)}
      {isCut && "…"}
      {turn.fileCount > 0 && <TurnFiles turn={turn} of="prompt" />}
      {(isQueued || isCut || turn.undone || turn.delivery === "steer" || error !== null) && (
        <div className="meta">
          {isQueued && <span>{t("prompt.queued")}</span>}
          {turn.delivery === "steer" && <span>{t("prompt.steered")}</span>}
          {turn.undone && <span>{t("prompt.undone")}</span>}
          {isCut && (
            <button
              type="button"
              className="link"
              onClick={() => run(async () => setWhole(await client.turns.prompt(turn.turnId)))}
            >
              {t("prompt.whole")}
            </button>
          )}
          {isQueued && mayOperate && (
            <button type="button" className="link bad" onClick={() => run(() => client.promptQueue.drop(turn.turnId))}>
              {t("prompt.drop")}
            </button>
          )}
          {error !== null && <span role="alert">{cleanText(error)}</span>}
        </div>
      )}
    </article>
  )
}

const Sending = ({ item }: { readonly item: Extract<Row, { readonly kind: "sending" }>["item"] }) => {
  const { outbox } = useServices()
  const isAway = useIsConnected() === false || !navigator.onLine
  const isRefused = item.state === "refused"
  return (
    <article className={`prompt ${isRefused ? "refused" : "waiting"}`} aria-label={t("prompt.label")} dir="auto">
      {item.text}
      <div className="meta">
        <span role={isRefused ? "alert" : "status"}>
          {isRefused
            ? t("prompt.refused", { reason: cleanText(item.error ?? "") })
            : t(isAway ? "prompt.stored" : "prompt.sending")}
        </span>
        {item.files.length > 0 && <span>{tn("prompt.files", item.files.length)}</span>}
        {isRefused && (
          <>
            <button type="button" className="link" onClick={() => outbox.retry(item.key)}>
              {t("common.retry")}
            </button>
            <button type="button" className="link bad" onClick={() => void outbox.remove(item.key)}>
              {t("prompt.discard")}
            </button>
          </>
        )}
      </div>
    </article>
  )
}

const tones: Readonly<Record<string, string>> = { completed: "", failed: "bad", interrupted: "bad", expired: "bad" }
const outcomes = ["completed", "failed", "aborted", "interrupted", "expired"] as const

const End = ({ turn }: { readonly turn: Turn }) => {
  const { client } = useServices()
  const mayOperate = useMay("operate")
  const { error, run } = useRowAction()
  const outcome = outcomes.find((each) => each === turn.status)
  if (outcome === undefined) return null
  const { usage } = turn
  const isRepeatable = outcome !== "completed" && mayOperate
  return (
    <div className="turn-end">
      {outcome !== "completed" && <span className={`tag ${tones[outcome] ?? ""}`}>{t(`end.${outcome}`)}</span>}
      {turn.error !== null && (
        <span>
          <Foreign>{turn.error.message}</Foreign>
        </span>
      )}
      {turn.answeredBy !== null && (
        <span>
          <Foreign>{turn.answeredBy.model.replace(/^[^/]+\//, "")}</Foreign>
        </span>
      )}
      {turn.finishedAt !== null && <span>{elapsed(turn.finishedAt - turn.createdAt)}</span>}
      {usage !== null && (
        <span>{t("session.usage", { tokens: tokens(usage.input + usage.output), cost: cost(usage.cost) })}</span>
      )}
      <a className="link" href={href({ name: "changes", sessionId: turn.sessionId, turnId: turn.turnId })}>
        {t("end.changes")}
      </a>
      {isRepeatable && (
        <button
          type="button"
          className="link"
          onClick={() =>
            run(() => client.turns.resend(turn.turnId, { idempotencyKey: `${turn.turnId}:${turn.version}` }))
          }
        >
          {t("end.resend")}
        </button>
      )}
      {error !== null && <span role="alert">{cleanText(error)}</span>}
    </div>
  )
}
