/** Goes to a session, a machine or a page by its name. */
import { cleanLine } from "@opencode-worker/client/text"
import { type KeyboardEvent, useId, useMemo, useState } from "react"
import { titleOf, useSessions, useWorkers } from "../data/lists.ts"
import { t } from "../text/messages.ts"
import { Icon, type IconName } from "../ui/icons.tsx"
import { Dialog } from "../ui/parts.tsx"
import { go } from "./navigation.ts"
import type { Route } from "./router.ts"

interface Entry {
  readonly id: string
  readonly icon: IconName
  readonly label: string
  readonly route: Route
}

const pages: ReadonlyArray<Entry> = [
  { id: "new", icon: "add", label: t("sessions.new"), route: { name: "new", workerId: null } },
  ...(["inbox", "sessions", "machines", "usage", "settings"] as const).map((name): Entry => ({
    id: name,
    icon: name,
    label: t(`nav.${name}`),
    route: { name }
  })),
  { id: "search", icon: "search", label: t("nav.search"), route: { name: "search", text: "" } }
]

const mostShown = 30

export default function Palette({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState("")
  const [selected, select] = useState(0)
  const id = useId()
  const { value: sessions = [] } = useSessions()
  const { value: workers = [] } = useWorkers()
  const found = useMemo(() => {
    const all: ReadonlyArray<Entry> = [
      ...sessions.map((session): Entry => ({
        id: session.sessionId,
        icon: "sessions",
        label: cleanLine(titleOf(session)),
        route: { name: "session", sessionId: session.sessionId }
      })),
      ...workers.map(({ machine, workerId }): Entry => ({
        id: workerId,
        icon: "machines",
        label: cleanLine(machine),
        route: { name: "machine", workerId }
      })),
      ...pages
    ]
    const words = text.toLowerCase().split(/\s+/)
    return all.filter(({ label }) => words.every((word) => label.toLowerCase().includes(word))).slice(0, mostShown)
  }, [sessions, text, workers])
  const open = (entry: Entry | undefined) => {
    if (entry === undefined) return
    onClose()
    go(entry.route)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0
    if (by !== 0) {
      event.preventDefault()
      select((at) => Math.max(0, Math.min(found.length - 1, at + by)))
    }
    if (event.key === "Enter") {
      event.preventDefault()
      open(found[selected])
    }
  }
  return (
    <Dialog title={t("palette.label")} className="palette" onClose={onClose}>
      <input
        className="input"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        aria-activedescendant={found[selected] === undefined ? undefined : `${id}-${selected}`}
        aria-label={t("palette.label")}
        placeholder={t("palette.placeholder")}
        value={text}
        autoFocus
        onChange={({ target }) => {
          setText(target.value)
          select(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}-list`} role="listbox" aria-label={t("palette.label")} tabIndex={-1}>
        {found.map((entry, index) => (
          <div
            key={entry.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === selected}
            onClick={() => open(entry)}
          >
            <Icon name={entry.icon} />
            <span className="clip">{entry.label}</span>
          </div>
        ))}
        {found.length === 0 && (
          <div role="option" aria-selected="false" aria-disabled="true">
            {t("palette.none")}
          </div>
        )}
      </div>
    </Dialog>
  )
}
