/** Permissions that are allowed for later requests. */
import type { Approval } from "@opencode-worker/client"
import { useAction, useMay, useServices, useSource } from "../../app/Services.ts"
import { firstOf } from "../../data/Sources.ts"
import { useMachines } from "../../data/lists.ts"
import { t } from "../../text/messages.ts"
import { cleanText } from "@opencode-worker/client/text"
import { Foreign, Loaded, Problem } from "../../ui/parts.tsx"

const mostShown = 100

export const Approvals = () => {
  const { client } = useServices()
  const approvals = useSource(
    "approvals",
    firstOf(mostShown, (from, signal) => from.approvals.list({ signal }))
  )
  const machine = useMachines()
  const mayOperate = useMay("operate")
  const { error, isRunning, run } = useAction()
  const revoke = ({ approvalId }: Approval) =>
    void run(
      () => client.approvals.revoke(approvalId),
      () => approvals.retry()
    )
  return (
    <>
      <h2 className="section-title">{t("settings.approvals")}</h2>
      {error !== null && <Problem error={cleanText(error)} />}
      <Loaded result={approvals} rows={1}>
        {(shown) =>
          shown.length === 0 ? (
            <p className="card sub">{t("settings.noApprovals")}</p>
          ) : (
            <ul className="items">
              {shown.map((approval) => (
                <li className="item line centered" key={approval.approvalId}>
                  <span className="grow">
                    <span className="block">
                      <Foreign>{approval.label}</Foreign>
                    </span>
                    <span className="sub">
                      {t(`settings.reach.${approval.reach}`)} ·{" "}
                      <Foreign>{machine(approval.workerId)?.machine ?? ""}</Foreign>
                    </span>
                  </span>
                  {mayOperate && (
                    <button
                      type="button"
                      className="button small bad"
                      disabled={isRunning}
                      onClick={() => revoke(approval)}
                    >
                      {t("settings.revoke")}
                    </button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  )
}
