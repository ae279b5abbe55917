/** The machines: one worker per directory. */
import type { Worker, WorkerId } from "@opencode-worker/client"
import { type FormEvent, useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useMay, useNow, useServices } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { useWorkers } from "../data/lists.ts"
import { duration, shortPath } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { cleanText } from "@opencode-worker/client/text"
import { Icon } from "../ui/icons.tsx"
import { Dialog, Empty, Foreign, Head, Loaded, Problem } from "../ui/parts.tsx"

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
      {isAdding && <Approve onClose={() => setAdding(false)} />}
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

/** Approves a worker by the code that it shows, after showing which one it is. */
const Approve = ({ onClose }: { readonly onClose: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [code, setCode] = useState("")
  const [found, setFound] = useState<{ readonly machine: string; readonly directory: string } | null>(null)
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    void run(async () => {
      if (found === null) {
        setFound(await client.workers.preview(code.trim()))
        return
      }
      const workerId: WorkerId = await client.workers.approve(code.trim())
      onClose()
      go({ name: "machine", workerId })
    })
  }
  return (
    <Dialog title={t("machines.add")} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <p className="sub">{t("machines.emptyText")}</p>
        <div className="field">
          <label htmlFor="worker-code">{t("machines.code")}</label>
          <input
            id="worker-code"
            className="input mono"
            value={code}
            onChange={({ target }) => {
              setCode(target.value)
              setFound(null)
            }}
            autoCapitalize="characters"
            autoComplete="off"
            spellCheck={false}
            required
          />
        </div>
        {found !== null && <p>{t("machines.approveText", { directory: cleanText(found.directory) })}</p>}
        {error !== null && <Problem error={error} />}
        <button type="submit" className="button primary" disabled={isRunning || code.trim() === ""}>
          {found === null ? t("machines.check") : t("machines.approve", { machine: cleanText(found.machine) })}
        </button>
      </form>
    </Dialog>
  )
}
