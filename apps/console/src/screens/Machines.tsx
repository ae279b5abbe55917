/** The machines: one worker per directory. */
import type { Worker } from "@opencode-worker/client"
import { useState } from "react"
import { useMay, useNow } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { useWorkers } from "../data/lists.ts"
import { duration, shortPath } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Icon } from "../ui/icons.tsx"
import { Empty, Foreign, Head, Loaded } from "../ui/parts.tsx"
import { ApproveMachine } from "./ApproveMachine.tsx"

/** `Online`, or how long it has been away. */
export const stateOf = ({ approval, lastSeenAt, online, phase }: Worker, now: number): string => {
  if (approval === "revoked") return t("machines.revoked")
  if (online) return phase === "Ready" || phase === "" ? t("machines.online") : phase
  return lastSeenAt === null ? t("machines.offlineUnknown") : t("machines.offline", { age: duration(now - lastSeenAt) })
}

export default function MachinesScreen({ selected }: { readonly selected: string | null }) {
  const workers = useWorkers()
  const mayOperate = useMay("operate")
  const [isAdding, setAdding] = useState(false)
  const now = useNow()
  return (
    <section className="pane list" aria-label={t("nav.machines")}>
      <Head title={t("nav.machines")}>
        {mayOperate && (
          <button type="button" className="icon-button" aria-label={t("machines.add")} onClick={() => setAdding(true)}>
            <Icon name="add" />
          </button>
        )}
      </Head>
      <div className="pane-body">
        <Loaded result={workers}>
          {(shown) =>
            shown.length === 0 ? (
              <Empty icon="machines" title={t("machines.empty")} text={t("machines.emptyText")}>
                {mayOperate && (
                  <button type="button" className="button primary" onClick={() => setAdding(true)}>
                    {t("machines.add")}
                  </button>
                )}
              </Empty>
            ) : (
              <ul className="items">
                {shown.map((worker) => (
                  <li key={worker.workerId}>
                    <MachineItem worker={worker} isSelected={worker.workerId === selected} now={now} />
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </div>
      {isAdding && <ApproveMachine onClose={() => setAdding(false)} />}
    </section>
  )
}

const MachineItem = ({
  isSelected,
  now,
  worker
}: {
  readonly worker: Worker
  readonly isSelected: boolean
  readonly now: number
}) => (
  <a
    className="item"
    href={href({ name: "machine", workerId: worker.workerId })}
    data-item=""
    {...(isSelected && { "aria-current": "true" as const })}
  >
    <span className="line">
      <span className={`dot ${worker.online ? "" : "off"}`} aria-hidden="true" />
      <span className="title grow clip">
        <Foreign>{worker.machine}</Foreign>
      </span>
      <span className="age">
        {[
          ...(worker.running > 0 ? [t("machines.running", { count: worker.running })] : []),
          ...(worker.queued > 0 ? [t("machines.queued", { count: worker.queued })] : [])
        ].join(" · ")}
      </span>
    </span>
    <span className="sub line">
      <span className="grow clip">
        <Foreign>{shortPath(worker.directory)}</Foreign>
        {typeof worker.info?.branch === "string" && (
          <>
            {" · "}
            <Foreign>{worker.info.branch}</Foreign>
          </>
        )}
      </span>
      <span>{stateOf(worker, now)}</span>
    </span>
    {worker.advice !== null && (
      <span className="tag wait block">
        <Foreign>{worker.advice}</Foreign>
      </span>
    )}
  </a>
)
