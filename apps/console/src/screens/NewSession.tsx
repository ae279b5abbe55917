/** Starts a session on a machine, which may be off. */
import type { WorkerId } from "@opencode-worker/client"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { go } from "../app/navigation.ts"
import { useAction, useServices } from "../app/Services.ts"
import { useCatalog } from "../data/catalog.ts"
import { useWorkers } from "../data/lists.ts"
import { chosenText, slashOf } from "../data/slashCommands.ts"
import { shortPath } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Empty, Foreign, Head, Loaded, Problem } from "../ui/parts.tsx"
import { takeShared } from "../worker/shared.ts"
import { fieldProps, SlashMenu, unknownCommand, useSlash } from "./composer/SlashMenu.tsx"

export default function NewSessionScreen({ workerId }: { readonly workerId: string | null }) {
  const workers = useWorkers()
  const { client, outbox } = useServices()
  const { error, isRunning, run } = useAction()
  const [text, setText] = useState("")
  const [files, setFiles] = useState<ReadonlyArray<File>>([])
  const [chosen, choose] = useState<WorkerId | null>(null)
  /** Of the session and of its first prompt: a repeated attempt creates neither again. */
  const [keys] = useState(() => ({ session: crypto.randomUUID(), prompt: crypto.randomUUID() }))
  useEffect(() => {
    const take = async () => {
      const shared = await takeShared()
      if (shared === undefined) return
      setText((before) => (before === "" ? shared.text : before))
      setFiles(shared.files)
    }
    take().catch(() => undefined)
  }, [])
  const usable = (workers.value ?? [])
    .filter(({ approval }) => approval === "approved")
    .toSorted((a, b) => Number(b.online) - Number(a.online))
  const selected = usable.find((worker) => worker.workerId === (chosen ?? workerId)) ?? usable[0]

  const field = useRef<HTMLTextAreaElement>(null)
  const { value: catalog } = useCatalog(selected?.workerId ?? null, text.startsWith("/"))
  const offered = catalog?.commands ?? []
  const slash = useSlash(text, offered, (command) => {
    setText(chosenText(command))
    field.current?.focus()
  })
  const command = slashOf(text, offered)

  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    if (selected === undefined) return
    void run(async () => {
      if (command?.kind === "unknown") throw new Error(unknownCommand(command.name, catalog !== undefined))
      const sessionId = await client.sessions.create(selected.workerId, { idempotencyKey: keys.session })
      if (text.trim() !== "") {
        const called = command === null ? {} : { command: { name: command.name, args: command.args } }
        await outbox.add({ key: keys.prompt, sessionId, text, delivery: "queue", files, ...called })
      }
      go({ name: "session", sessionId }, { replace: true })
    })
  }
  return (
    <section className="pane" aria-label={t("sessions.new")}>
      <Head title={t("sessions.new")} back={{ name: "sessions" }} />
      <div className="pane-body narrow">
        <Loaded result={workers}>
          {() =>
            selected === undefined ? (
              <Empty icon="machines" title={t("sessions.noMachine")} text={t("machines.emptyText")}>
                <a className="button" href="#/machines">
                  {t("nav.machines")}
                </a>
              </Empty>
            ) : (
              <form className="form" onSubmit={onSubmit}>
                <fieldset className="question">
                  <legend>{t("sessions.on")}</legend>
                  {usable.map((worker) => (
                    <label className="option" key={worker.workerId}>
                      <input
                        type="radio"
                        name="worker"
                        checked={worker === selected}
                        onChange={() => choose(worker.workerId)}
                      />
                      <span className="grow">
                        <b>
                          <Foreign>{worker.machine}</Foreign>
                        </b>{" "}
                        <span className="sub">
                          <Foreign>{shortPath(worker.directory)}</Foreign>
                          {!worker.online && ` · ${t("machines.offlineUnknown")}`}
                        </span>
                      </span>
                    </label>
                  ))}
                </fieldset>
                <div className="field">
                  <label htmlFor="first-prompt">{t("sessions.prompt")}</label>
                  <textarea
                    ref={field}
                    id="first-prompt"
                    className="input"
                    rows={5}
                    value={text}
                    onChange={({ target }) => setText(target.value)}
                    onKeyDown={(event) => void slash.onKey(event)}
                    {...fieldProps(slash)}
                  />
                  <SlashMenu slash={slash} />
                </div>
                {files.length > 0 && <p className="sub">{files.map(({ name }) => name).join(", ")}</p>}
                {error !== null && <Problem error={error} />}
                <button type="submit" className="button primary" disabled={isRunning}>
                  {t("sessions.start")}
                </button>
              </form>
            )
          }
        </Loaded>
      </div>
    </section>
  )
}
