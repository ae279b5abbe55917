/** Approves a worker by the code that it shows, after showing which one it is and what it asks. */
import type { PairingPreview, WorkerId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useServices } from "../app/Services.ts"
import { t } from "../text/messages.ts"
import { permissionText } from "../text/permissions.ts"
import { Dialog, Foreign, Problem } from "../ui/parts.tsx"

/** Reported by the worker, except for the address. */
const Found = ({ found: { address, directory, machine, permissions } }: { readonly found: PairingPreview }) => (
  <>
    <dl className="facts">
      <dt>{t("machines.machine")}</dt>
      <dd>
        <Foreign>{machine}</Foreign>
      </dd>
      <dt>{t("machines.directory")}</dt>
      <dd>
        <Foreign>{directory}</Foreign>
      </dd>
      {permissions !== null && (
        <>
          <dt>{t("machines.permissions")}</dt>
          <dd>
            <Foreign>{permissionText(permissions)}</Foreign>
          </dd>
        </>
      )}
      {address !== null && (
        <>
          <dt>{t("machines.address")}</dt>
          <dd>
            <Foreign>{address}</Foreign>
          </dd>
        </>
      )}
    </dl>
    <p className="sub">{t("machines.approveText")}</p>
  </>
)

export const ApproveMachine = ({ onClose }: { readonly onClose: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [code, setCode] = useState("")
  const [found, setFound] = useState<PairingPreview | null>(null)
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
        {found !== null && <Found found={found} />}
        {error !== null && <Problem error={error} />}
        <button type="submit" className="button primary" disabled={isRunning || code.trim() === ""}>
          {found === null ? t("machines.check") : t("machines.approve", { machine: cleanText(found.machine) })}
        </button>
      </form>
    </Dialog>
  )
}
