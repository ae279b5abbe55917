/** A request in the inbox. It is answered here if all of it is shown; otherwise its own screen shows the rest. */
import { type InboxItem, type OpenRequest, RequestCard, type RequestId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { useMay, useNow, useSource } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { once } from "../data/Sources.ts"
import { duration } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Foreign, Problem } from "../ui/parts.tsx"
import { useAnswer } from "../ui/useAnswer.ts"
import { Place } from "./Place.tsx"

/** A longer command is read on its own screen. */
const shortCommand = 300
const shortLabel = 18

export const useRequest = (requestId: RequestId) =>
  useSource(
    `request:${requestId}`,
    once((client, signal) => client.requests.get(requestId, { signal }))
  )

/** The whole command, if the request is nothing but a short one. */
const commandOf = ({ content }: OpenRequest): string | null => {
  if (content.kind !== "permission" || !RequestCard.isCommand(content.sections)) return null
  const [section] = content.sections
  return section === undefined || section.text.length > shortCommand ? null : section.text
}

/** The question, if one short choice answers it. */
const choiceOf = ({ content }: OpenRequest) => {
  if (content.kind !== "question" || content.questions.length !== 1) return null
  const [question] = content.questions
  if (question === undefined || question.multiple || question.question.length > shortCommand) return null
  const isShort = question.options.every(({ description, label }) => description === "" && label.length <= shortLabel)
  return isShort && question.options.length > 0 && question.options.length <= 3 ? question : null
}

export const InboxRequest = ({
  isSelected,
  item,
  onAnswer,
  place,
  requestId
}: {
  readonly item: InboxItem
  readonly requestId: RequestId
  readonly isSelected: boolean
  readonly place: string
  readonly onAnswer: () => void
}) => {
  const { value: request } = useRequest(requestId)
  const { answer, answered, error, isSending, ref } = useAnswer(request, { onAnswer, place })
  const mayAnswer = useMay("approve")
  const now = useNow()
  const command = request === undefined ? null : commandOf(request)
  const choice = request === undefined ? null : choiceOf(request)
  const isQuestion = request === undefined ? item.subject.startsWith("question: ") : request.content.kind === "question"
  const agents = request === undefined ? "" : RequestCard.agentPath(request.askedBy)
  const review = href({ name: "request", requestId })
  const title = item.title === null || item.title === "" ? t("sessions.new") : item.title
  return (
    <article ref={ref} className={`card ${answered === null ? "wait" : "done"}`} aria-current={isSelected}>
      <div className="line">
        <span className="tag wait">{t(isQuestion ? "inbox.question" : "inbox.asked")}</span>
        <a className="title grow clip" href={review} data-item="">
          <Foreign>{title}</Foreign>
        </a>
        <span className="age">{duration(now - item.at)}</span>
      </div>
      <p className="sub clip">
        <Place workerId={item.workerId} />
        {agents !== "" && (
          <>
            {" · "}
            <Foreign>{agents}</Foreign>
          </>
        )}
      </p>
      {command !== null && <code className="code">{cleanText(command)}</code>}
      {choice !== null && <p className="asked">{cleanText(choice.question)}</p>}
      {command === null && choice === null && (
        <p className="asked clip">
          <Foreign>{item.subject.replace(/^question: /, "")}</Foreign>
        </p>
      )}
      {error !== null && <Problem error={error} />}
      {answered !== null ? (
        <p className="sub" role="status">
          {t(`request.answered.${answered}`)}
        </p>
      ) : (
        <div className="button-row even">
          {mayAnswer && command !== null && (
            <>
              <button
                type="button"
                className="button primary"
                disabled={isSending}
                onClick={() => answer({ type: "once" })}
              >
                {t("request.once")}
              </button>
              <button type="button" className="button" disabled={isSending} onClick={() => answer({ type: "reject" })}>
                {t("request.deny")}
              </button>
            </>
          )}
          {mayAnswer &&
            choice?.options.map(({ label }) => (
              <button
                key={label}
                type="button"
                className="button"
                disabled={isSending}
                onClick={() => answer({ type: "answers", answers: [[label]] })}
              >
                <Foreign>{label}</Foreign>
              </button>
            ))}
          {(!mayAnswer || (command === null && choice === null)) && (
            <a className="button" href={review}>
              {t("inbox.review")}
            </a>
          )}
        </div>
      )}
    </article>
  )
}
