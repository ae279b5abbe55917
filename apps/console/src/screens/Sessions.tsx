/** All sessions, the latest activity first. */
import type { Session } from "@opencode-worker/client"
import { memo } from "react"
import { useMay, useNow } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { titleOf, useSessions } from "../data/lists.ts"
import { duration } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Empty, Foreign, Head, Loaded } from "../ui/parts.tsx"
import { Place } from "./Place.tsx"

export const SessionsScreen = ({ selected }: { readonly selected: string | null }) => {
  const sessions = useSessions()
  const mayOperate = useMay("operate")
  const now = useNow()
  return (
    <section className="pane list" aria-label={t("nav.sessions")}>
      <Head title={t("nav.sessions")}>
        {mayOperate && (
          <a className="icon-button" href={href({ name: "new", workerId: null })} aria-label={t("sessions.new")}>
            <Icon name="add" />
          </a>
        )}
      </Head>
      <div className="pane-body">
        <Loaded result={sessions} rows={6}>
          {(shown) =>
            shown.length === 0 ? (
              <Empty icon="sessions" title={t("sessions.empty")} text={t("sessions.emptyText")}>
                {mayOperate && (
                  <a className="button primary" href={href({ name: "new", workerId: null })}>
                    {t("sessions.new")}
                  </a>
                )}
              </Empty>
            ) : (
              <ul className="items">
                {shown.map((session) => (
                  <li key={session.sessionId}>
                    <SessionItem
                      session={session}
                      isSelected={session.sessionId === selected}
                      age={duration(now - session.lastActivityAt)}
                    />
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </div>
    </section>
  )
}

export const SessionItem = memo(
  ({
    age,
    isSelected = false,
    session
  }: {
    readonly session: Session
    readonly age: string
    readonly isSelected?: boolean
  }) => (
    <a
      className="item"
      href={href({ name: "session", sessionId: session.sessionId })}
      data-item=""
      {...(isSelected && { "aria-current": "true" as const })}
    >
      <span className="line">
        {session.status === "running" && <span className="dot busy" aria-hidden="true" />}
        <span className="title grow clip">
          <Foreign>{titleOf(session)}</Foreign>
        </span>
        <span className="age">{age}</span>
      </span>
      <span className="sub line">
        <span className="clip">
          <Place workerId={session.workerId} />
        </span>
        {session.status !== "idle" && <span className="tag">{t(`sessions.${session.status}`)}</span>}
      </span>
    </a>
  )
)
