/** Tokens and costs of the last days. */
import type { UsageDay } from "@opencode-worker/client"
import { useMemo, useState } from "react"
import { useSource } from "../app/Services.ts"
import { useMachines } from "../data/lists.ts"
import { dayOf, daysBefore, sumBy, sumOf } from "../data/usage.ts"
import { cost, tokens } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Empty, Foreign, Head, Loaded, Segmented } from "../ui/parts.tsx"
import { firstOf } from "../data/Sources.ts"

const mostRows = 2_000

export default function UsageScreen() {
  const [days, setDays] = useState<"7" | "30">("7")
  const [today] = useState(() => Date.now())
  const from = dayOf(daysBefore(today, Number(days) - 1))
  const to = dayOf(today)
  const usage = useSource(
    `usage:${from}:${to}`,
    firstOf(mostRows, (client, signal) => client.usage.days(from, to, { signal }))
  )
  return (
    <section className="pane" aria-label={t("nav.usage")}>
      <Head title={t("nav.usage")}>
        <Segmented
          label={t("usage.days")}
          name="days"
          value={days}
          onChange={setDays}
          options={[
            { value: "7", label: t("usage.last", { count: 7 }) },
            { value: "30", label: t("usage.last", { count: 30 }) }
          ]}
        />
      </Head>
      <div className="pane-body narrow">
        <Loaded result={usage}>
          {(rows) =>
            rows.length === 0 ? (
              <Empty icon="usage" title={t("usage.empty")} />
            ) : (
              <Figures rows={rows} days={Number(days)} today={today} />
            )
          }
        </Loaded>
      </div>
    </section>
  )
}

type Rows = ReadonlyArray<UsageDay>

const Figures = ({ days, rows, today }: { readonly rows: Rows; readonly days: number; readonly today: number }) => {
  const machine = useMachines()
  const total = useMemo(() => sumOf(rows), [rows])
  const byDay = useMemo(() => new Map(sumBy(rows, ({ day }) => day)), [rows])
  const shown = Array.from({ length: days }, (_, index) => dayOf(daysBefore(today, days - 1 - index)))
  const highest = Math.max(...shown.map((day) => byDay.get(day)?.cost ?? 0))
  return (
    <>
      <div className="figures">
        <div className="card figure">
          <span className="sub">{t("usage.cost")}</span>
          <b>{cost(total.cost)}</b>
        </div>
        <div className="card figure">
          <span className="sub">{t("usage.turns")}</span>
          <b>{total.turns}</b>
        </div>
        <div className="card figure">
          <span className="sub">{t("usage.tokens")}</span>
          <b>{tokens(total.input + total.output + total.reasoning)}</b>
        </div>
        <div className="card figure">
          <span className="sub">{t("usage.cache")}</span>
          <b>{tokens(total.cacheRead)}</b>
        </div>
      </div>
      <figure className="card" role="img" aria-label={t("usage.perDay", { cost: cost(highest) })}>
        <div className="bars" aria-hidden="true">
          {shown.map((day) => {
            const each = byDay.get(day)?.cost ?? 0
            return (
              <span
                key={day}
                title={`${day}: ${cost(each)}`}
                style={{ height: `${highest === 0 ? 0 : (100 * each) / highest}%` }}
              />
            )
          })}
        </div>
        <div className="line sub bar-labels" aria-hidden="true">
          <span className="grow">{shown[0]?.slice(5)}</span>
          <span>{shown.at(-1)?.slice(5)}</span>
        </div>
      </figure>
      <Sums title={t("usage.byModel")} rows={sumBy(rows, ({ model }) => (model === "" ? t("usage.noModel") : model))} />
      <Sums title={t("usage.byMachine")} rows={sumBy(rows, ({ workerId }) => machine(workerId)?.machine ?? workerId)} />
    </>
  )
}

const Sums = ({ rows, title }: { readonly title: string; readonly rows: ReturnType<typeof sumBy> }) => (
  <div className="card flat">
    <table className="table">
      <thead>
        <tr>
          <th scope="col">{title}</th>
          <th scope="col">{t("usage.turns")}</th>
          <th scope="col">{t("usage.tokens")}</th>
          <th scope="col">{t("usage.cost")}</th>
        </tr>
      </thead>
      <tbody>
        {rows
          .toSorted(([, a], [, b]) => b.cost - a.cost)
          .map(([name, sum]) => (
            <tr key={name}>
              <td>
                <Foreign>{name}</Foreign>
              </td>
              <td>{sum.turns}</td>
              <td>{tokens(sum.input + sum.output + sum.reasoning)}</td>
              <td>{cost(sum.cost)}</td>
            </tr>
          ))}
      </tbody>
    </table>
  </div>
)
