/** What applies to the prompt that is written: its delivery, its model, its files, its command, and why it was not accepted. */
import { cleanLine } from "@opencode-worker/client/text"
import type { PromptChoice } from "../../data/promptChoice.ts"
import type { Offered } from "../../data/slashCommands.ts"
import { t } from "../../text/messages.ts"
import { Segmented } from "../../ui/parts.tsx"

export type Delivery = "queue" | "steer"

const Chip = ({ label, name, onRemove }: { readonly label: string; readonly name: string; onRemove: () => void }) => (
  <span className="chip">
    <span className="clip">{cleanLine(label)}</span>
    <button type="button" aria-label={name} onClick={onRemove}>
      ×
    </button>
  </span>
)

export const PromptOptions = ({
  choice,
  command,
  delivery,
  files,
  onDelivery,
  onForget,
  onRemove,
  problem
}: {
  readonly choice: PromptChoice
  /** The command whose arguments are typed. */
  readonly command: Offered | undefined
  /** Null: nothing runs, so there is no choice. */
  readonly delivery: Delivery | null
  readonly files: ReadonlyArray<File>
  readonly onDelivery: (delivery: Delivery) => void
  readonly onForget: () => void
  readonly onRemove: (index: number) => void
  readonly problem: string | null
}) => {
  const chosen = [choice.model?.replace(/^[^/]+\//, ""), choice.variant, choice.agent].filter(
    (name) => name !== undefined
  )
  const description = command?.description ?? ""
  if (delivery === null && files.length === 0 && chosen.length === 0 && description === "" && problem === null) {
    return null
  }
  return (
    <div className="options">
      {delivery !== null && (
        <Segmented
          label={t("composer.delivery")}
          name="delivery"
          value={delivery}
          onChange={onDelivery}
          options={[
            { value: "queue", label: t("composer.queue") },
            { value: "steer", label: t("composer.steer") }
          ]}
        />
      )}
      {chosen.length > 0 && <Chip label={chosen.join(" · ")} name={t("choose.forget")} onRemove={onForget} />}
      {files.map(({ name }, index) => (
        <Chip
          key={`${name}:${index}`}
          label={name}
          name={t("composer.removeFile", { name })}
          onRemove={() => onRemove(index)}
        />
      ))}
      {description !== "" && <span className="clip">{cleanLine(description)}</span>}
      {problem !== null && (
        <span className="refusal" role="alert">
          {problem}
        </span>
      )}
    </div>
  )
}
