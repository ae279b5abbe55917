/**
 * A list of which only the rows in view are mounted, at most 40. Rows that are added, measured or grown above the view do not
 * move it. At its end the list stays at the end.
 */
import {
  memo,
  type ReactNode,
  type RefObject,
  useCallback,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useState
} from "react"
import { type Anchor, anchorAt, heightOf, type Layout, layoutOf, rangeOf, type Range, topFor } from "./layout.ts"

const overscan = 300
const mostRows = 40
/** Pixels by which mounted rows may grow before the list looks which rows to mount: less than `overscan`. */
const growthSlack = 100
/** Pixels from the end within which the list counts as at its end. */
const endSlack = 24

export interface VirtualListHandle {
  readonly scrollToEnd: () => void
  /** Shows a row at the top. */
  readonly scrollTo: (key: string) => void
}

export interface VirtualListProps {
  readonly keys: ReadonlyArray<string>
  readonly renderRow: (key: string) => ReactNode
  readonly estimate: (key: string) => number
  readonly label: string
  /** The first rows are near the view: add earlier ones. */
  readonly onNearStart: () => void
  readonly onAtEnd: (isAtEnd: boolean) => void
  readonly handle: RefObject<VirtualListHandle | null>
  readonly before?: ReactNode
}

export const VirtualList = ({
  before,
  estimate,
  handle,
  keys,
  label,
  onAtEnd,
  onNearStart,
  renderRow
}: VirtualListProps) => {
  const viewport = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const state = useRef({
    heights: new Map<string, number>(),
    anchor: null as Anchor | null,
    isAtEnd: true,
    top: 0,
    grown: 0
  })
  const [, redraw] = useState(0)
  const rows = useRef(new Map<Element, string>())
  const observer = useRef<ResizeObserver | null>(null)

  const { heights } = state.current
  const layout = layoutOf(keys, (key) => heights.get(key) ?? estimate(key))
  const total = heightOf(layout)
  const shown = useRef<{ layout: Layout; range: Range }>({ layout, range: { start: 0, end: 0 } })

  const height = viewport.current?.clientHeight ?? 800
  const { anchor, isAtEnd } = state.current
  const top = isAtEnd ? total - height : ((anchor && topFor(layout, anchor)) ?? viewport.current?.scrollTop ?? 0)
  const range = rangeOf(layout, Math.max(0, top), height, overscan, mostRows)
  shown.current = { layout, range }

  /** Puts the anchor row, or the end, where it was. Reads the real positions, because rows differ from their estimates. */
  const restore = useCallback(() => {
    const view = viewport.current
    if (view === null) return
    const { anchor: kept, isAtEnd: mustEnd } = state.current
    // Rows became smaller, and the browser has moved the list up to its new end. No person has left the end.
    const isPulledUp = view.scrollTop < state.current.top && view.scrollHeight - view.scrollTop - view.clientHeight <= 1
    if (mustEnd && isPulledUp) state.current.top = view.scrollTop
    // The list was scrolled, and the event follows: it counts, not the place before.
    if (Math.abs(view.scrollTop - state.current.top) > 1) return
    if (mustEnd) view.scrollTop = view.scrollHeight
    else {
      const row = kept && [...rows.current].find(([, key]) => key === kept.key)?.[0]
      if (kept === null) return
      if (row === null || row === undefined) {
        view.scrollTop = topFor(shown.current.layout, kept) ?? view.scrollTop
        state.current.top = view.scrollTop
        return
      }
      const shift = row.getBoundingClientRect().top - view.getBoundingClientRect().top - kept.offset
      if (Math.abs(shift) >= 1) view.scrollTop += shift
    }
    state.current.top = view.scrollTop
  }, [])

  /** Remembers the anchor from the real position of the first visible row. */
  const remember = useCallback(() => {
    const view = viewport.current
    if (view === null) return
    const { bottom: end, top: edge } = view.getBoundingClientRect()
    state.current.anchor = anchorAt(shown.current.layout, view.scrollTop)
    for (const element of content.current?.children ?? []) {
      const key = rows.current.get(element)
      const box = element.getBoundingClientRect()
      if (key === undefined || box.bottom <= edge || box.top >= end) continue
      state.current.anchor = { key, offset: box.top - edge }
      break
    }
  }, [])

  /** Mounted rows have their heights by themselves: the list is drawn again only when they may need other rows around them. */
  const settle = useCallback(() => {
    for (const [element, key] of rows.current) {
      const { height: measured } = element.getBoundingClientRect()
      const known = state.current.heights.get(key) ?? estimate(key)
      if (measured === 0 || measured === known) continue
      state.current.heights.set(key, measured)
      state.current.grown += Math.abs(measured - known)
    }
    restore()
    if (state.current.grown < growthSlack) return
    state.current.grown = 0
    redraw((count) => count + 1)
  }, [estimate, restore])

  useLayoutEffect(settle)

  useLayoutEffect(() => {
    const resized = new ResizeObserver(settle)
    observer.current = resized
    if (viewport.current !== null) resized.observe(viewport.current)
    for (const [element] of rows.current) resized.observe(element)
    return () => resized.disconnect()
  }, [settle])

  const onScroll = () => {
    const view = viewport.current
    if (view === null) return
    // Rows that were added since the list went to its end do not count as a move away from it.
    const isUp = view.scrollTop < state.current.top - 1
    const isNear = view.scrollHeight - view.scrollTop - view.clientHeight <= endSlack
    const atEnd = isNear || (state.current.isAtEnd && !isUp)
    state.current.top = view.scrollTop
    if (atEnd !== state.current.isAtEnd) onAtEnd(atEnd)
    state.current.isAtEnd = atEnd
    remember()
    const next = rangeOf(shown.current.layout, view.scrollTop, view.clientHeight, overscan, mostRows)
    const { end, start } = shown.current.range
    if (next.start !== start || next.end !== end) redraw((count) => count + 1)
    if (view.scrollTop < 2 * view.clientHeight) onNearStart()
  }

  const register = useCallback(
    (key: string) => (element: HTMLDivElement | null) => {
      if (element === null) return
      rows.current.set(element, key)
      observer.current?.observe(element)
      return () => {
        rows.current.delete(element)
        observer.current?.unobserve(element)
      }
    },
    []
  )

  useImperativeHandle(handle, () => ({
    scrollTo: (key) => {
      state.current.isAtEnd = false
      state.current.anchor = { key, offset: 0 }
      state.current.top = viewport.current?.scrollTop ?? 0
      onAtEnd(false)
      redraw((count) => count + 1)
    },
    scrollToEnd: () => {
      state.current.isAtEnd = true
      state.current.top = viewport.current?.scrollTop ?? 0
      onAtEnd(true)
      redraw((count) => count + 1)
    }
  }))

  const { tops } = layout
  return (
    <div
      className="viewport"
      ref={viewport}
      onScroll={onScroll}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label={label}
    >
      {before}
      <div
        ref={content}
        className="rows"
        style={{ paddingTop: tops[range.start] ?? 0, paddingBottom: total - (tops[range.end] ?? 0) }}
      >
        {keys.slice(range.start, range.end).map((key) => (
          <Row key={key} rowKey={key} register={register} render={renderRow} />
        ))}
      </div>
    </div>
  )
}

/** It renders once: its content subscribes to what it shows. */
const Row = memo(
  ({
    register,
    render,
    rowKey
  }: {
    readonly register: (key: string) => (element: HTMLDivElement | null) => (() => void) | undefined
    readonly render: (key: string) => ReactNode
    readonly rowKey: string
  }) => {
    const ref = useCallback((element: HTMLDivElement | null) => register(rowKey)(element), [register, rowKey])
    return (
      <div ref={ref} className="row-slot">
        {render(rowKey)}
      </div>
    )
  }
)
