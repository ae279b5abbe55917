/** Chooses the model, its variant and the agent of prompts, from what the machine offers. */
import type { Model, WorkerId } from "@opencode-worker/client"
import { cleanLine } from "@opencode-worker/client/text"
import { type ReactNode, useId, useState } from "react"
import { useSource } from "../../app/Services.ts"
import { useCatalog } from "../../data/catalog.ts"
import { promptChoice, type PromptChoice } from "../../data/promptChoice.ts"
import { once } from "../../data/Sources.ts"
import { tokens } from "../../text/format.ts"
import { t } from "../../text/messages.ts"
import { Dialog, Loaded } from "../../ui/parts.tsx"

const Choice = ({
  children,
  label,
  onChange,
  value
}: {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  /** The options after "OpenCode chooses". */
  readonly children: ReactNode
}) => {
  const id = useId()
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} className="input" value={value} onChange={({ target }) => onChange(target.value)}>
        <option value="">{t("choose.openCode")}</option>
        {children}
      </select>
    </div>
  )
}

const describe = ({ limit, name }: Model): string =>
  cleanLine(limit?.context === undefined ? name : `${name} · ${tokens(limit.context)}`)

const Models = ({ models }: { readonly models: ReadonlyArray<Model> }) =>
  [...Map.groupBy(models, ({ providerID }) => providerID)].map(([provider, own]) => (
    <optgroup key={provider} label={cleanLine(provider)}>
      {own.map((model) => (
        <option key={model.id} value={model.id}>
          {describe(model)}
        </option>
      ))}
    </optgroup>
  ))

export default function ChooseModel({
  choice,
  onChoose,
  onClose,
  workerId
}: {
  readonly choice: PromptChoice
  readonly workerId: WorkerId
  readonly onChoose: (choice: PromptChoice) => void
  readonly onClose: () => void
}) {
  const [chosen, set] = useState(choice)
  const offered = useSource(
    `models:${workerId}`,
    once(async ({ models }, signal) => (await models.get(workerId, { signal }))?.models ?? [])
  )
  const { value: catalog } = useCatalog(workerId)
  const agents = (catalog?.agents ?? []).filter(({ hidden, mode }) => mode !== "subagent" && hidden !== true)
  return (
    <Dialog title={t("choose.title")} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          onChoose(promptChoice(chosen))
          onClose()
        }}
      >
        <Loaded result={offered}>
          {(models) => {
            const variants = models.find(({ id }) => id === chosen.model)?.variants ?? []
            return (
              <>
                {models.length === 0 && <p className="sub">{t("choose.none")}</p>}
                <Choice
                  label={t("choose.model")}
                  value={chosen.model ?? ""}
                  onChange={(model) => set({ ...chosen, model, variant: "" })}
                >
                  <Models models={models} />
                </Choice>
                {variants.length > 0 && (
                  <Choice
                    label={t("choose.variant")}
                    value={chosen.variant ?? ""}
                    onChange={(variant) => set({ ...chosen, variant })}
                  >
                    {variants.map((variant) => (
                      <option key={variant} value={variant}>
                        {cleanLine(variant)}
                      </option>
                    ))}
                  </Choice>
                )}
                <Choice
                  label={t("choose.agent")}
                  value={chosen.agent ?? ""}
                  onChange={(agent) => set({ ...chosen, agent })}
                >
                  {agents.map(({ description, name }) => (
                    <option key={name} value={name}>
                      {cleanLine(description === undefined ? name : `${name} · ${description}`).slice(0, 80)}
                    </option>
                  ))}
                </Choice>
              </>
            )
          }}
        </Loaded>
        <div className="button-row even">
          <button type="button" className="button" onClick={onClose}>
            {t("common.cancel")}
          </button>
          <button type="submit" className="button primary">
            {t("choose.use")}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
