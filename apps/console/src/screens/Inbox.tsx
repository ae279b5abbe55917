/** The items that wait for the operator, over all machines. */
import type { InboxItem } from "@opencode-worker/client"
import { useMemo, useRef, useState } from "react"
import { explain, useMay, useNow, useServices, useSource } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { keepAnswered } from "../data/keepAnswered.ts"
import { useMachines, useWorkers } from "../data/lists.ts"
import { duration } from "../text/format.ts"
import { t, tn } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Empty, Foreign, Head, Loaded, Problem } from "../ui/parts.tsx"
import { InboxRequest } from "./InboxRequest.tsx"

const tones = { asked: "wait", failed: "bad", interrupted: "bad", gone: "bad", finished: "ok" } as const

export const InboxScreen = ({ selected }: { readonly selected: string | null }) => {
  const inbox = useSource("inbox", (client, signal) => client.inbox.watch({ signal }), { keep: true })
  const { value: workers } = useWorkers()
  const [answered, setAnswered] = useState<ReadonlySet<string>>(new Set())
  const before = useRef<ReadonlyArray<InboxItem>>([])
  const items = useMemo(() => {
    before.current = keepAnswered(before.current, inbox.value ?? [], ({ itemId }) => itemId, answered)
    return before.current
  }, [answered, inbox.value])
  const online = workers?.filter((worker) => worker.online && worker.approval === "approved").length
  const { client } = useServices()
  const finished = items.filter(({ kind, read }) => kind === "finished" && !read)
  /** Cards that move do not take a tap that was meant for another one. */
  const place = items.map(({ itemId }) => itemId).join(" ")

  return (
    <section className="pane list" aria-label={t("nav.inbox")}>
      <Head title={t("nav.inbox")}>
        {online !== undefined && (
          <>
            <span className={`dot ${online === 0 ? "off" : ""}`} aria-hidden="true" />
            <a className="sub plain-link" href={href({ name: "machines" })}>
              {tn("machines.online", online)}
            </a>
          </>
        )}
      </Head>
      <div className="pane-body">
        <Loaded result={inbox} rows={4}>
          {() =>
            items.length === 0 ? (
              <Empty icon="inbox" title={t("inbox.empty")} text={t("inbox.emptyText")} />
            ) : (
              <>
                {items.map((item) =>
                  item.kind === "asked" && item.requestId !== null ? (
                    <InboxRequest
                      key={item.itemId}
                      item={item}
                      requestId={item.requestId}
                      isSelected={item.requestId === selected}
                      place={place}
                      onAnswer={() => setAnswered((known) => new Set([...known, item.itemId]))}
                    />
                  ) : (
                    <Result key={item.itemId} item={item} />
                  )
                )}
                {finished.length > 1 && (
                  <button
                    type="button"
                    className="button quiet small"
                    onClick={() =>
                      void client.inbox.markRead(finished.map(({ itemId }) => itemId)).catch(() => undefined)
                    }
                  >
                    {t("inbox.readAll")}
                  </button>
                )}
              </>
            )
          }
        </Loaded>
      </div>
    </section>
  )
}

/** The result of a session, or a machine that is gone. */
const Result = ({ item }: { readonly item: InboxItem }) => {
  const { client } = useServices()
  const machine = useMachines()(item.workerId)
  const mayChange = useMay("approve")
  const now = useNow()
  const [error, setError] = useState<string | null>(null)
  const change = (run: () => Promise<void>) => {
    setError(null)
    run().catch((cause: unknown) => setError(explain(cause)))
  }
  const isGone = item.kind === "gone"
  const target =
    item.sessionId === null
      ? href({ name: "machine", workerId: item.workerId })
      : href({ name: "session", sessionId: item.sessionId })
  const title = isGone ? (machine?.machine ?? "") : (item.title ?? "")
  return (
    <article className={`card result ${item.read ? "is-read" : ""}`}>
      <div className="line">
        <span className={`tag ${tones[item.kind]}`}>{t(`inbox.${item.kind}`)}</span>
        <a
          className="title grow clip"
          href={target}
          data-item=""
          onClick={() => {
            if (item.kind !== "asked") change(() => client.inbox.markRead([item.itemId]))
          }}
        >
          <Foreign>{title === "" ? t("sessions.new") : title}</Foreign>
        </a>
        <span className="age">{duration(now - item.at)}</span>
      </div>
      <div className="line">
        <p className="sub grow clip">
          {!isGone && machine !== undefined && (
            <>
              <Foreign>{machine.machine}</Foreign>
              {item.subject === "" ? "" : " · "}
            </>
          )}
          <Foreign>{item.subject}</Foreign>
        </p>
        {mayChange && (
          <button
            type="button"
            className="icon-button tight"
            aria-label={`${t(item.pinned ? "inbox.unpin" : "inbox.archive")}: ${title}`}
            title={t(item.pinned ? "inbox.unpin" : "inbox.archive")}
            onClick={() =>
              change(() =>
                item.pinned ? client.inbox.pin(item.itemId, false) : client.inbox.archive(item.itemId, true)
              )
            }
          >
            <Icon name={item.pinned ? "close" : "check"} />
          </button>
        )}
      </div>
      {error !== null && <Problem error={error} />}
    </article>
  )
}
