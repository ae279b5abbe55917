import { useEffect, useState } from "react"

/** Milliseconds without a change, so that a query runs for a word instead of for each of its letters. */
const pause = 300

/** The value, after it has not changed for a moment. */
export const useSettled = <A>(value: A): A => {
  const [settled, set] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => set(value), pause)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
