/** A unified diff, all of it. */
import { cleanText } from "@opencode-worker/client/text"
import { memo, useMemo } from "react"
import { diffLines, grouped, withoutName } from "../text/diff.ts"

const groupSize = 100

export interface DiffProps {
  readonly patch: string
  /** The name of the file, or of the patch. */
  readonly label: string
  /** The label is shown above: the lines that repeat it are left out. */
  readonly isNamed?: boolean
}

export const Diff = memo(({ isNamed = false, label, patch }: DiffProps) => {
  const groups = useMemo(() => {
    const lines = diffLines(cleanText(patch))
    return grouped(isNamed ? withoutName(lines, cleanText(label)) : lines, groupSize)
  }, [isNamed, label, patch])
  return (
    <div className="diff" role="region" aria-label={label} tabIndex={0}>
      {groups.map((lines, index) => (
        <div key={index} className={`diff-block ${lines.length < groupSize ? "short" : ""}`}>
          {lines.map(({ kind, text }, at) => (
            <span key={at} className={kind}>
              {text}
            </span>
          ))}
        </div>
      ))}
    </div>
  )
})
