/** The devices of the operator. */
import type { DeviceCode, DeviceScope, OperatorDevice } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, lazy, Suspense, useState } from "react"
import { useAction, useMay, useNow, useServices, useSource } from "../../app/Services.ts"
import { duration, longDuration } from "../../text/format.ts"
import { t } from "../../text/messages.ts"
import { Confirm, Dialog, Foreign, Loaded, Problem } from "../../ui/parts.tsx"

const Qr = lazy(() => import("../../ui/Qr.tsx"))

const scopes = ["read", "approve", "operate"] as const

export const Devices = () => {
  const devices = useSource("devices", (client, signal) => client.devices.watch({ signal }))
  const { deviceId } = useServices()
  const mayOperate = useMay("operate")
  const now = useNow()
  const [isAdding, setAdding] = useState(false)
  const [revoking, setRevoking] = useState<OperatorDevice | null>(null)
  return (
    <>
      <h2 className="section-title">{t("settings.devices")}</h2>
      <Loaded result={devices} rows={1}>
        {(shown) => (
          <ul className="items">
            {shown
              .filter(({ revokedAt }) => revokedAt === null)
              .map((device) => (
                <li className="item line centered" key={device.deviceId}>
                  <span className="grow">
                    <span className="block clip">
                      <b>
                        <Foreign>{device.name}</Foreign>
                      </b>
                      {device.deviceId === deviceId && <span className="sub"> · {t("settings.thisDevice")}</span>}
                    </span>
                    <span className="sub">
                      {t(`settings.scope.${device.scope}`)} ·{" "}
                      {t("settings.lastSeen", { age: duration(now - device.lastSeenAt) })}
                    </span>
                  </span>
                  {mayOperate && device.deviceId !== deviceId && (
                    <button type="button" className="button small bad" onClick={() => setRevoking(device)}>
                      {t("settings.revoke")}
                    </button>
                  )}
                </li>
              ))}
          </ul>
        )}
      </Loaded>
      {mayOperate && (
        <div className="button-row">
          <button type="button" className="button small" onClick={() => setAdding(true)}>
            {t("settings.addDevice")}
          </button>
        </div>
      )}
      {isAdding && <AddDevice onClose={() => setAdding(false)} />}
      {revoking !== null && <Revoke device={revoking} onClose={() => setRevoking(null)} />}
    </>
  )
}

const Revoke = ({ device, onClose }: { readonly device: OperatorDevice; readonly onClose: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  return (
    <Confirm
      text={t("settings.revokeSure", { name: cleanText(device.name) })}
      action={t("settings.revoke")}
      isRunning={isRunning}
      error={error}
      onClose={onClose}
      onConfirm={() =>
        void run(
          () => client.devices.revoke(device.deviceId),
          () => onClose()
        )
      }
    />
  )
}

/** Creates a code, and shows it as a link with a QR code. */
const AddDevice = ({ onClose }: { readonly onClose: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [name, setName] = useState("")
  const [scope, setScope] = useState<DeviceScope>("operate")
  const [code, setCode] = useState<DeviceCode | null>(null)
  const [isCopied, setCopied] = useState(false)
  const now = useNow(1_000)
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    void run(async () => setCode(await client.devices.add({ name: name.trim(), scope })))
  }
  if (code !== null) {
    const link = `${location.origin}/#pair=${encodeURIComponent(code.code)}`
    return (
      <Dialog title={t("settings.addDevice")} onClose={onClose}>
        <div className="dialog-body">
          <p>{t("settings.scan", { left: longDuration(Math.max(0, code.expiresAt - now)) })}</p>
          <Suspense fallback={null}>
            <Qr text={link} label={t("settings.addDevice")} />
          </Suspense>
          <code className="code">{link}</code>
          <button
            type="button"
            className="button"
            onClick={() =>
              void navigator.clipboard.writeText(link).then(
                () => setCopied(true),
                () => undefined
              )
            }
          >
            {t(isCopied ? "settings.copied" : "settings.copy")}
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title={t("settings.addDevice")} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <div className="field">
          <label htmlFor="device-name">{t("settings.deviceName")}</label>
          <input
            id="device-name"
            className="input"
            value={name}
            maxLength={100}
            onChange={({ target }) => setName(target.value)}
            required
          />
        </div>
        <fieldset className="question">
          <legend>{t("settings.scope")}</legend>
          {scopes.map((each) => (
            <label className="option" key={each}>
              <input type="radio" name="scope" checked={scope === each} onChange={() => setScope(each)} />
              <span>{t(`settings.scope.${each}`)}</span>
            </label>
          ))}
        </fieldset>
        {error !== null && <Problem error={cleanText(error)} />}
        <button type="submit" className="button primary" disabled={isRunning || name.trim() === ""}>
          {t("settings.createCode")}
        </button>
      </form>
    </Dialog>
  )
}
