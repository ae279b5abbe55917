import { t } from "./messages.ts"

const meanings = { careful: "machines.careful", inherit: "machines.inherit" } as const

const isKnown = (mode: string): mode is keyof typeof meanings => Object.hasOwn(meanings, mode)

/** A permission mode with its meaning. A mode of a newer worker is shown as it is. */
export const permissionText = (mode: string): string => (isKnown(mode) ? t(meanings[mode]) : mode)
