import { pages } from "./en/pages.ts"
import { session } from "./en/session.ts"

/** All text of the page. A translation is another object with the same keys. `{name}` is replaced by a value. */
export const en = { ...pages, ...session } as const satisfies Readonly<Record<string, string>>

export type MessageKey = keyof typeof en
/** Keys with a form for one and one for other counts. */
export type PluralKey = { [K in MessageKey]: K extends `${infer Base}.one` ? Base : never }[MessageKey]

type Values = Readonly<Record<string, string | number>>

const plural = new Intl.PluralRules("en")

export const t = (key: MessageKey, values: Values = {}): string =>
  en[key].replaceAll(/\{(\w+)\}/g, (found, name: string) => String(values[name] ?? found))

export const tn = (key: PluralKey, count: number): string =>
  t(plural.select(count) === "one" ? `${key}.one` : `${key}.other`, { count })
