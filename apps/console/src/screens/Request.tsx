/** A request of an agent: all of it, and the answers. */
import { type Answer, type OpenRequest, RequestCard, type RequestId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { useEffect, useState } from "react"
import { isTyping } from "../app/keyboard.ts"
import { useMay, useNow } from "../app/Services.ts"
import { href } from "../app/router.ts"
import { titleOf, useMachines, useSession, useWaitingRequests } from "../data/lists.ts"
import { duration, longDuration } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { Empty, Foreign, Head, Loaded, Problem } from "../ui/parts.tsx"
import { type Answering, useAnswer } from "../ui/useAnswer.ts"
import { useRequest } from "./InboxRequest.tsx"
import { QuestionForm } from "./QuestionForm.tsx"
import { RequestActions } from "./RequestActions.tsx"
import { RequestSections } from "./RequestSections.tsx"

const headingOf = ({ content }: OpenRequest): string => {
  if (content.kind === "question") return t("request.question")
  if (RequestCard.isCommand(content.sections)) return t("request.allowCommand")
  return content.permission === "edit"
    ? t("request.allowEdit")
    : t("request.allow", { permission: cleanText(content.permission) })
}

export default function RequestScreen({ requestId }: { readonly requestId: string }) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the address; the deployment refuses others
  const id = requestId as RequestId
  const request = useRequest(id)
  const waiting = useWaitingRequests()
  const answering = useAnswer(request.value)
  const now = useNow(1_000)
  const index = (waiting.value ?? []).findIndex((each) => each.requestId === id)
  const isOver = waiting.value !== undefined && index === -1 && answering.answered === null
  const next = waiting.value?.find((each) => each.requestId !== id)
  const { value } = request
  const left = value === undefined ? null : RequestCard.timing(value, now).left
  return (
    <section className="pane" aria-label={value === undefined ? t("inbox.asked") : headingOf(value)}>
      <Head title={value === undefined ? t("inbox.asked") : headingOf(value)} back={{ name: "inbox" }}>
        <span className="sub">
          {index >= 0 && (waiting.value?.length ?? 0) > 1 && (
            <>{t("request.position", { index: index + 1, count: waiting.value?.length ?? 0 })} · </>
          )}
          {value !== undefined &&
            (left === null ? t("request.noLimit") : t("request.left", { left: longDuration(left) }))}
        </span>
      </Head>
      {isOver && request.value === undefined && request.error !== undefined ? (
        <Empty icon="check" title={t("request.closed")} text={t("request.closedText")}>
          {next !== undefined && <NextLink requestId={next.requestId} />}
        </Empty>
      ) : (
        <Loaded result={request}>
          {(shown) => (
            <Card request={shown} answering={answering} isOver={isOver} now={now} next={next?.requestId ?? null} />
          )}
        </Loaded>
      )}
    </section>
  )
}

const NextLink = ({ requestId }: { readonly requestId: string }) => (
  <a className="button" href={href({ name: "request", requestId })}>
    {t("request.next")}
  </a>
)

const useKeys = (request: OpenRequest, answer: (answer: Answer) => void, isActive: boolean): void => {
  useEffect(() => {
    if (!isActive || request.content.kind !== "permission") return undefined
    const answers: Readonly<Record<string, Answer>> = {
      y: { type: "once" },
      n: { type: "reject" },
      ...(request.always !== null && { a: { type: "always" } })
    }
    const onKey = (event: KeyboardEvent) => {
      const given = answers[event.key]
      if (given === undefined || event.repeat || isTyping(event)) return
      answer(given)
    }
    addEventListener("keydown", onKey)
    return () => removeEventListener("keydown", onKey)
  }, [answer, isActive, request])
}

const Card = ({
  answering,
  isOver,
  next,
  now,
  request
}: {
  readonly request: OpenRequest
  readonly answering: Answering
  readonly isOver: boolean
  readonly now: number
  readonly next: string | null
}) => {
  const { answer, answered, error, ref } = answering
  const mayAnswer = useMay("approve")
  const { always, askedBy, content, directory, sessionId } = request
  const { value: session } = useSession(sessionId)
  const machine = useMachines()
  const [isWriting, setWriting] = useState(false)
  const isOpen = answered === null && !isOver
  useKeys(request, answer, isOpen && mayAnswer && !isWriting)
  return (
    <div className="request">
      <div className="pane-body" tabIndex={0} role="region" aria-label={t("request.content")}>
        <div className="card">
          <dl className="facts">
            <dt>{t("request.session")}</dt>
            <dd>
              <a href={href({ name: "session", sessionId })}>
                {session === undefined || session === null ? (
                  t("request.openSession")
                ) : (
                  <Foreign>{titleOf(session)}</Foreign>
                )}
              </a>
            </dd>
            {askedBy.length > 0 && (
              <>
                <dt>{t("request.who")}</dt>
                <dd>
                  <Foreign>{RequestCard.agentPath(askedBy)}</Foreign>
                </dd>
              </>
            )}
            <dt>{t("request.where")}</dt>
            <dd>
              {session !== undefined && session !== null && (
                <>
                  <Foreign>{machine(session.workerId)?.machine ?? ""}</Foreign>
                  <br />
                </>
              )}
              <code>
                <Foreign>{directory}</Foreign>
              </code>
            </dd>
            <dt>{t("request.when")}</dt>
            <dd>{t("request.asked", { age: duration(RequestCard.timing(request, now).age) })}</dd>
          </dl>
        </div>
        {content.kind === "permission" ? (
          <>
            <RequestSections sections={content.sections} />
            {always !== null && (
              <div className="card">
                <b>{t("request.covers", { label: cleanText(always.label) })}</b>
                <p className="sub">{t("request.coversText")}</p>
              </div>
            )}
          </>
        ) : (
          isOpen && mayAnswer && <QuestionForm questions={content.questions} answering={answering} />
        )}
      </div>
      <div ref={ref} className="request-foot">
        {error !== null && <Problem error={error} />}
        {!isOpen && (
          <div className="card done">
            <p role="status">{answered === null ? t("request.closed") : t(`request.answered.${answered}`)}</p>
            {next !== null && <NextLink requestId={next} />}
          </div>
        )}
        {isOpen && !mayAnswer && <p className="sub">{t("error.forbidden")}</p>}
        {isOpen && mayAnswer && content.kind === "permission" && (
          <RequestActions request={request} answering={answering} isWriting={isWriting} onWriting={setWriting} />
        )}
      </div>
    </div>
  )
}
