/** Where the deployment sends notifications. */
import type { NotifyTarget } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useState } from "react"
import { useAction, useServices, useSource } from "../../app/Services.ts"
import { once } from "../../data/Sources.ts"
import { t } from "../../text/messages.ts"
import { Dialog, Foreign, Loaded, Problem, Segmented } from "../../ui/parts.tsx"

export const Notifications = () => {
  const targets = useSource(
    "notifications",
    once((client, signal) => client.notifications.list({ signal }))
  )
  const [isAdding, setAdding] = useState(false)
  return (
    <>
      <Loaded result={targets} rows={1}>
        {(shown) =>
          shown.length === 0 ? (
            <p className="card sub">{t("settings.noTargets")}</p>
          ) : (
            <ul className="items">
              {shown.map((target) => (
                <li className="item" key={target.targetId}>
                  <Target target={target} onChange={targets.retry} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <div className="button-row">
        <button type="button" className="button small" onClick={() => setAdding(true)}>
          {t("settings.addTarget")}
        </button>
      </div>
      {isAdding && (
        <AddTarget
          onClose={() => {
            setAdding(false)
            targets.retry()
          }}
        />
      )}
    </>
  )
}

const Target = ({ onChange, target }: { readonly target: NotifyTarget; readonly onChange: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [note, setNote] = useState<string | null>(null)
  const test = () =>
    void run(async () => {
      const failure = await client.notifications.test(target.targetId)
      setNote(failure === null ? t("settings.testSent") : t("settings.lastError", { error: cleanText(failure) }))
    })
  const remove = () =>
    void run(
      () => client.notifications.remove(target.targetId),
      () => onChange()
    )
  return (
    <>
      <div className="line">
        <span className="grow clip">
          <b>{t(`settings.${target.kind}`)}</b>{" "}
          <span className="sub">
            <Foreign>{target.url}</Foreign>
          </span>
        </span>
      </div>
      {(note !== null || target.lastError !== null) && (
        <p className="sub" role="status">
          {note ?? t("settings.lastError", { error: cleanText(target.lastError?.message ?? "") })}
        </p>
      )}
      {error !== null && <Problem error={cleanText(error)} />}
      <div className="button-row top">
        <button type="button" className="button small" disabled={isRunning} onClick={test}>
          {t("settings.test")}
        </button>
        <button type="button" className="button small bad" disabled={isRunning} onClick={remove}>
          {t("common.remove")}
        </button>
      </div>
    </>
  )
}

const AddTarget = ({ onClose }: { readonly onClose: () => void }) => {
  const { client } = useServices()
  const { error, isRunning, run } = useAction()
  const [kind, setKind] = useState<"ntfy" | "webhook">("ntfy")
  const [url, setUrl] = useState("")
  const [content, setContent] = useState(false)
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    void run(() => client.notifications.add({ kind, url: url.trim(), content }), onClose)
  }
  return (
    <Dialog title={t("settings.addTarget")} onClose={onClose}>
      <form onSubmit={onSubmit}>
        <Segmented
          label={t("settings.kind")}
          name="kind"
          value={kind}
          onChange={setKind}
          options={[
            { value: "ntfy", label: t("settings.ntfy") },
            { value: "webhook", label: t("settings.webhook") }
          ]}
        />
        <div className="field">
          <label htmlFor="target-url">{t("settings.url")}</label>
          <input
            id="target-url"
            className="input mono"
            type="url"
            placeholder="https://"
            value={url}
            onChange={({ target }) => setUrl(target.value)}
            required
          />
        </div>
        <label className="check">
          <input type="checkbox" checked={content} onChange={({ target }) => setContent(target.checked)} />
          {t("settings.content")}
        </label>
        {error !== null && <Problem error={cleanText(error)} />}
        <button type="submit" className="button primary" disabled={isRunning}>
          {t("settings.addTarget")}
        </button>
      </form>
    </Dialog>
  )
}
