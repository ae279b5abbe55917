/** OpenCode's commands while one is typed: a list above the field, for keys and for touch. */
import { cleanLine } from "@opencode-worker/client/text"
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react"
import { hintsFor, type Offered } from "../../data/slashCommands.ts"
import { t, tn } from "../../text/messages.ts"

export interface Slash {
  readonly hints: ReadonlyArray<Offered>
  readonly selected: number
  readonly listId: string
  readonly choose: (command: Offered) => void
  /** Whether the key was for the list. */
  readonly onKey: (event: KeyboardEvent) => boolean
}

const optionId = ({ listId }: Slash, index: number): string => `${listId}-${index}`

/** Of the field in which the command is typed. */
export const fieldProps = (slash: Slash) => ({
  "aria-autocomplete": "list" as const,
  ...(slash.hints.length > 0 && {
    "aria-controls": slash.listId,
    "aria-activedescendant": optionId(slash, slash.selected)
  })
})

/** Why an unknown command is not sent. */
export const unknownCommand = (name: string, isKnown: boolean): string =>
  t(isKnown ? "composer.noCommand" : "composer.noCatalog", { name })

/** `onChoose`: a command was chosen from the list. */
export const useSlash = (
  text: string,
  offered: ReadonlyArray<Offered>,
  onChoose: (command: Offered) => void
): Slash => {
  const listId = useId()
  const [{ at, of }, select] = useState({ at: 0, of: "" })
  const [dismissed, dismiss] = useState<string | null>(null)
  const hints = dismissed === text ? [] : hintsFor(text, offered)
  const selected = of === text ? Math.min(at, hints.length - 1) : 0
  const move = (by: number) => select({ at: (selected + by + hints.length) % hints.length, of: text })
  const onKey = (event: KeyboardEvent): boolean => {
    const found = hints[selected]
    if (found === undefined || event.nativeEvent.isComposing) return false
    switch (event.key) {
      case "ArrowDown":
        move(1)
        break
      case "ArrowUp":
        move(-1)
        break
      case "Escape":
        dismiss(text)
        break
      case "Tab":
        if (event.shiftKey) return false
        onChoose(found)
        break
      case "Enter":
        // A name that is complete is sent.
        if (event.shiftKey || text === `/${found.name}`) return false
        onChoose(found)
        break
      default:
        return false
    }
    event.preventDefault()
    return true
  }
  return { hints, selected, listId, choose: onChoose, onKey }
}

export const SlashMenu = ({ slash }: { readonly slash: Slash }) => {
  const { choose, hints, listId, selected } = slash
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    list.current?.children[selected]?.scrollIntoView({ block: "nearest" })
  }, [selected])
  return (
    <>
      <p className="hidden" role="status">
        {hints.length > 0 && tn("composer.commands", hints.length)}
      </p>
      {hints.length > 0 && (
        <div ref={list} id={listId} className="slash" role="listbox" aria-label={t("composer.commandList")}>
          {hints.map((command, index) => (
            <div
              key={command.name}
              id={optionId(slash, index)}
              role="option"
              aria-selected={index === selected}
              // The field keeps the focus, and a phone its keyboard.
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(command)}
            >
              <span className="name">/{cleanLine(command.name)}</span>
              <span className="sub clip">{cleanLine(command.description ?? "")}</span>
            </div>
          ))}
        </div>
      )}
    </>
  )
}
