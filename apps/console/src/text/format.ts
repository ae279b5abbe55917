/** Durations, sizes, costs and times as short text. Pure. */
const units = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000]
] as const

/** The largest whole unit, such as `3 h`. */
export const duration = (millis: number): string => {
  const [unit, size] = units.find(([, each]) => millis >= each) ?? (["s", 1_000] as const)
  return `${Math.max(0, Math.floor(millis / size))} ${unit}`
}

/** The two largest units, such as `23 h 50 min`. */
export const longDuration = (millis: number): string => {
  const at = units.findIndex(([, each]) => millis >= each)
  const [unit, size] = units[at === -1 ? units.length - 1 : at] ?? (["s", 1_000] as const)
  const next = units[at + 1]
  const rest = millis % size
  const more = at === -1 || next === undefined || rest < next[1] ? "" : ` ${Math.floor(rest / next[1])} ${next[0]}`
  return `${Math.floor(millis / size)} ${unit}${more}`
}

/** Of a tool call: tenths of a second below ten seconds. */
export const elapsed = (millis: number): string =>
  millis < 10_000 ? `${(millis / 1_000).toFixed(1)} s` : duration(millis)

export const cost = (dollars: number): string =>
  dollars === 0 ? "$0" : dollars < 0.01 ? "< $0.01" : `$${dollars.toFixed(2)}`

const scaled = (count: number, base: number, names: ReadonlyArray<string>): string => {
  let value = count
  let at = 0
  while (value >= base && at < names.length - 1) {
    value /= base
    at += 1
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))}${names[at]}`
}

/** A count of tokens, such as `12.4k`. */
export const tokens = (count: number): string => scaled(count, 1_000, ["", "k", "M", "G"])

export const bytes = (count: number): string => scaled(count, 1_024, [" B", " kB", " MB", " GB", " TB"])

/** The last two folders of a path, which identify a project. */
export const shortPath = (path: string): string => {
  const parts = path.split(/[\\/]/).filter((part) => part !== "")
  return parts.length <= 2 ? path : `…/${parts.slice(-2).join("/")}`
}
