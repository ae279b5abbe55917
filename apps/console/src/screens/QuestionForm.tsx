/** The questions of a request, and their answers. */
import type { OpenRequest } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { type FormEvent, useState } from "react"
import { answersOf, type Choice, isAnswered, noChoice } from "../data/choices.ts"
import { t } from "../text/messages.ts"
import { Foreign } from "../ui/parts.tsx"
import type { Answering } from "../ui/useAnswer.ts"

type Question = Extract<OpenRequest["content"], { readonly kind: "question" }>["questions"][number]

export const QuestionForm = ({
  answering: { answer, isSending },
  questions
}: {
  readonly questions: ReadonlyArray<Question>
  readonly answering: Answering
}) => {
  const [choices, set] = useState<ReadonlyArray<Choice>>(() => questions.map(() => noChoice))
  const change = (index: number, choice: Choice) =>
    set((before) => before.map((each, at) => (at === index ? choice : each)))
  const onSubmit = (event: FormEvent) => {
    event.preventDefault()
    answer({ type: "answers", answers: answersOf(choices) })
  }
  return (
    <form className="form" onSubmit={onSubmit}>
      {questions.map((question, index) => {
        const { labels, own } = choices[index] ?? noChoice
        const type = question.multiple ? "checkbox" : "radio"
        return (
          <fieldset className="question" key={index}>
            <legend>{cleanText(question.question)}</legend>
            {question.options.map(({ description, label }) => (
              <label className="option" key={label}>
                <input
                  type={type}
                  name={`question-${index}`}
                  checked={labels.includes(label)}
                  onChange={() =>
                    change(
                      index,
                      question.multiple
                        ? {
                            own,
                            labels: labels.includes(label)
                              ? labels.filter((each) => each !== label)
                              : [...labels, label]
                          }
                        : { labels: [label], own: "" }
                    )
                  }
                />
                <span className="grow">
                  <Foreign>{label}</Foreign>
                  {description !== "" && <span className="sub block">{cleanText(description)}</span>}
                </span>
              </label>
            ))}
            {question.custom && (
              <div className="field">
                <label htmlFor={`own-${index}`}>{t("request.own")}</label>
                <textarea
                  id={`own-${index}`}
                  className="input"
                  rows={2}
                  value={own}
                  onChange={({ target }) =>
                    change(index, { labels: question.multiple ? labels : [], own: target.value })
                  }
                />
              </div>
            )}
          </fieldset>
        )
      })}
      <div className="button-row even">
        <button type="submit" className="button primary" disabled={isSending || !choices.every(isAnswered)}>
          {t("request.send")}
        </button>
        <button type="button" className="button" disabled={isSending} onClick={() => answer({ type: "dismiss" })}>
          {t("request.dismiss")}
        </button>
      </div>
    </form>
  )
}
