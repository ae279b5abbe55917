/**
 * Reports that a terminal sends by itself: the mouse, its colours, its capabilities. An earlier program may have requested
 * them and exited before they arrived. Node.js parses only the beginning of such a sequence as one key; the rest would look
 * like typed text. Pure.
 */

interface Report {
  readonly begins: RegExp
  /** The key that ends it. */
  readonly ends: RegExp
  /** The content between the two. Any other character means that it and the text held back before it were typed. */
  readonly body: RegExp
}

/* oxlint-disable no-control-regex -- the sequences are made of them */
const known: ReadonlyArray<Report> = [
  // A control sequence without its last character: mouse and mode reports.
  { begins: /^\u001b\[[ -?]+$/, ends: /^[@-~]$/, body: /^[ -?]{0,40}$/ },
  // An operating system command: a number and a colour. Alt-] starts with the same characters.
  { begins: /^\u001b\]$/, ends: /^(?:\u0007|\u001b\\)$/, body: /^\d{1,3}(?:;[rgba:/0-9a-f]{0,40})?$/i }
]
/* oxlint-enable no-control-regex */

/**
 * Takes the keys one by one. Returns undefined for a key that is part of a report. Otherwise returns the text that was held
 * back before the key, which is usually empty.
 */
export const makeReportFilter = () => {
  let report: Report | undefined
  let held = ""
  return (sequence: string): string | undefined => {
    if (report === undefined) {
      report = known.find(({ begins }) => begins.test(sequence))
      return report === undefined ? "" : undefined
    }
    const before = held
    held += sequence
    const isOver = report.ends.test(sequence)
    if (!isOver && report.body.test(held)) return undefined
    report = undefined
    held = ""
    return isOver ? undefined : before
  }
}
