/** Keys of the whole page: Ctrl-K opens the palette, j and k move in the list, / searches. */
import { useCallback, useEffect, useState } from "react"
import { go } from "./navigation.ts"

/** Whether keys are text: in a field, or with a modifier. */
export const isTyping = (event: Pick<KeyboardEvent, "target" | "ctrlKey" | "metaKey" | "altKey">): boolean => {
  if (event.ctrlKey || event.metaKey || event.altKey) return true
  const { target } = event
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable], dialog") !== null
}

/** Moves the focus to the next or previous item of the list. */
const move = (by: 1 | -1): void => {
  const items = [...document.querySelectorAll<HTMLElement>("[data-item]")].filter((item) => item.offsetParent !== null)
  const at = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement))
  const next = at === -1 ? (by === 1 ? 0 : items.length - 1) : at + by
  items[Math.max(0, Math.min(items.length - 1, next))]?.focus()
}

export const useKeyboard = (): { readonly isPaletteOpen: boolean; readonly closePalette: () => void } => {
  const [isPaletteOpen, set] = useState(false)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault()
        set(true)
        return
      }
      if (isTyping(event)) return
      if (event.key === "j") move(1)
      if (event.key === "k") move(-1)
      if (event.key === "/") {
        event.preventDefault()
        go({ name: "search", text: "" })
      }
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [])
  return { isPaletteOpen, closePalette: useCallback(() => set(false), []) }
}
