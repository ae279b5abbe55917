/** One machine: its state, actions, servers and latest sessions. */
import { type CommandId, type Worker, type WorkerId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { useState } from "react"
import { useAction, useMay, useNow, useServices, useSource } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { waitFor } from "../data/commands.ts"
import { useWorkers } from "../data/lists.ts"
import { once } from "../data/Sources.ts"
import { bytes, duration } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { permissionText } from "../text/permissions.ts"
import { Confirm, Empty, Foreign, Head, Loaded, Problem } from "../ui/parts.tsx"
import { stateOf } from "./Machines.tsx"
import { SessionItem } from "./Sessions.tsx"

const sessionsShown = 8

export default function MachineScreen({ workerId }: { readonly workerId: string }) {
  const workers = useWorkers()
  const worker = workers.value?.find((each) => each.workerId === workerId)
  return (
    <section className="pane" aria-label={worker?.machine ?? t("nav.machines")}>
      <Head
        title={worker === undefined ? t("nav.machines") : <Foreign>{worker.machine}</Foreign>}
        back={{ name: "machines" }}
        lead={worker !== undefined && <span className={`dot ${worker.online ? "" : "off"}`} aria-hidden="true" />}
      />
      <div className="pane-body narrow">
        <Loaded result={workers}>
          {() =>
            worker === undefined ? <Empty icon="machines" title={t("error.gone")} /> : <Details worker={worker} />
          }
        </Loaded>
      </div>
    </section>
  )
}

const Details = ({ worker }: { readonly worker: Worker }) => {
  const { workerId } = worker
  const mayOperate = useMay("operate")
  const now = useNow()
  const { info } = worker
  const isUsable = worker.approval === "approved"
  return (
    <>
      {worker.advice !== null && <Problem error={cleanText(worker.advice)} />}
      <div className="card">
        <dl className="facts">
          <dt>{t("machines.state")}</dt>
          <dd>{stateOf(worker, now)}</dd>
          <dt>{t("machines.directory")}</dt>
          <dd>
            <Foreign>{worker.directory}</Foreign>
          </dd>
          {info !== null && (
            <>
              {info.branch !== null && (
                <>
                  <dt>{t("machines.branch")}</dt>
                  <dd>
                    <Foreign>{info.branch}</Foreign>
                  </dd>
                </>
              )}
              <dt>{t("machines.permissions")}</dt>
              <dd>
                <Foreign>{permissionText(info.permissions)}</Foreign>
              </dd>
              <dt>{t("machines.shell")}</dt>
              <dd>{t(info.shell ? "machines.shellAllowed" : "machines.shellRefused")}</dd>
              <dt>{t("machines.opencode")}</dt>
              <dd>
                <Foreign>{`${info.opencode.version ?? ""} ${info.opencode.state}`.trim()}</Foreign>
              </dd>
              <dt>{t("machines.version")}</dt>
              <dd>
                <Foreign>{info.version}</Foreign>
              </dd>
              {info.diskFree !== null && (
                <>
                  <dt>{t("machines.disk")}</dt>
                  <dd>{bytes(info.diskFree)}</dd>
                </>
              )}
            </>
          )}
        </dl>
      </div>
      {mayOperate && isUsable && (
        <>
          <div className="button-row actions">
            <a className="button primary" href={href({ name: "new", workerId })}>
              {t("machines.session")}
            </a>
            <a className="button" href={href({ name: "files", workerId, path: "" })}>
              {t("machines.files")}
            </a>
            <a className="button" href={href({ name: "diff", workerId })}>
              {t("machines.diff")}
            </a>
          </div>
          <Commands worker={worker} />
          {worker.online && <Servers workerId={workerId} />}
        </>
      )}
      <Latest workerId={workerId} now={now} />
    </>
  )
}

const Commands = ({ worker }: { readonly worker: Worker }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [isRevoking, setRevoking] = useState(false)
  const { machine, online, phase, workerId } = worker
  const command = (start: (id: WorkerId) => Promise<CommandId>) =>
    void run(async () => waitFor(client, await start(workerId)))
  return (
    <>
      {error !== null && !isRevoking && <Problem error={cleanText(error)} />}
      <div className="button-row">
        {online && (
          <>
            <button
              type="button"
              className="button small"
              disabled={isRunning}
              onClick={() => command(phase === "Paused" ? client.workers.resume : client.workers.pause)}
            >
              {t(phase === "Paused" ? "machines.resume" : "machines.pause")}
            </button>
            <button
              type="button"
              className="button small"
              disabled={isRunning}
              onClick={() => command(client.workers.drain)}
            >
              {t("machines.drain")}
            </button>
          </>
        )}
        <button type="button" className="button small bad" onClick={() => setRevoking(true)}>
          {t("machines.revoke")}
        </button>
      </div>
      {isRevoking && (
        <Confirm
          text={t("machines.revokeSure", { machine: cleanText(machine) })}
          action={t("machines.revoke")}
          isRunning={isRunning}
          error={error}
          onClose={() => setRevoking(false)}
          onConfirm={() =>
            void run(
              () => client.workers.revoke(workerId),
              () => setRevoking(false)
            )
          }
        />
      )}
    </>
  )
}

const Servers = ({ workerId }: { readonly workerId: WorkerId }) => {
  const status = useSource(
    `servers:${workerId}`,
    once((client, signal) => client.queries.status(workerId, { signal }))
  )
  if (status.value === undefined) return null
  const { lsp, mcp, running } = status.value
  const servers = [
    ...mcp.map(({ error, name, status: state }) => ({ name, state: error ?? state })),
    ...lsp.map(({ name, status: state }) => ({ name, state }))
  ]
  return (
    <>
      <h2 className="section-title">{t("machines.servers")}</h2>
      {servers.length === 0 ? (
        <p className="sub">{t(running ? "machines.noServers" : "machines.serversIdle")}</p>
      ) : (
        <ul className="items">
          {servers.map(({ name, state }, index) => (
            <li className="item line" key={index}>
              <span className="grow clip">
                <Foreign>{name}</Foreign>
              </span>
              <span className="sub clip">
                <Foreign>{state}</Foreign>
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

const Latest = ({ now, workerId }: { readonly workerId: WorkerId; readonly now: number }) => {
  const sessions = useSource(`sessions:${workerId}`, (client, signal) =>
    client.sessions.watch({ workerId, limit: sessionsShown, signal })
  )
  if (sessions.value === undefined || sessions.value.length === 0) return null
  return (
    <>
      <h2 className="section-title">{t("machines.sessions")}</h2>
      <ul className="items">
        {sessions.value.map((session) => (
          <li key={session.sessionId}>
            <SessionItem session={session} age={duration(now - session.lastActivityAt)} />
          </li>
        ))}
      </ul>
    </>
  )
}
