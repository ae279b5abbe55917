/** The rows of a session, in a list that mounts only those in view. */
import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react"
import { t } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Empty, Loading, Problem } from "../ui/parts.tsx"
import { RowView } from "./RowView.tsx"
import type { Timeline } from "./Timeline.ts"
import { VirtualList, type VirtualListHandle } from "./VirtualList.tsx"

/** Pixels, until a row is measured. */
const estimates = { prompt: 72, block: 54, end: 44, sending: 84 } as const

/** `at`: the turn to show first; the newest one if null. */
export const SessionTimeline = ({ at, timeline }: { readonly timeline: Timeline; readonly at: string | null }) => {
  const { error, hasMore, isLoaded, keys } = useSyncExternalStore(timeline.subscribe, timeline.state)
  const list = useRef<VirtualListHandle>(null)
  const [isAtEnd, setAtEnd] = useState(true)
  const renderRow = useCallback((key: string) => <RowView timeline={timeline} rowKey={key} />, [timeline])
  const estimate = useCallback((key: string) => estimates[timeline.row(key)?.kind ?? "block"], [timeline])
  const onNearStart = useCallback(() => void timeline.loadOlder(), [timeline])
  const last = keys.at(-1)
  useEffect(() => {
    // A prompt of one's own is shown, wherever the list is.
    if (last?.startsWith("sending:") === true) list.current?.scrollToEnd()
  }, [last])

  useEffect(() => {
    if (at === null || !isLoaded) return undefined
    let isLeft = false
    const show = async () => {
      const key = await timeline.reach(at)
      if (!isLeft && key !== null) list.current?.scrollTo(key)
    }
    void show()
    return () => {
      isLeft = true
    }
  }, [at, isLoaded, timeline])

  if (keys.length === 0) {
    return (
      <div className="timeline">
        <div className="pane-body">
          {error !== undefined && <Problem error={error} />}
          {isLoaded && !hasMore ? (
            <Empty icon="sessions" title={t("session.empty")} text={t("session.emptyText")} />
          ) : (
            error === undefined && <Loading rows={4} />
          )}
        </div>
      </div>
    )
  }
  return (
    <div className="timeline">
      {error !== undefined && <Problem error={error} />}
      <VirtualList
        keys={keys}
        renderRow={renderRow}
        estimate={estimate}
        label={t("session.timeline")}
        onNearStart={onNearStart}
        onAtEnd={setAtEnd}
        handle={list}
      />
      {!isAtEnd && (
        <button type="button" className="button small latest" onClick={() => list.current?.scrollToEnd()}>
          <Icon name="down" />
          {t("session.latest")}
        </button>
      )}
    </div>
  )
}
