/** Answers a request once, after it was visible for long enough. */
import { type Answer, isClientError, type OpenRequest } from "@opencode-worker/client"
import { useCallback, useEffect, useRef, useState } from "react"
import { explain, useServices } from "../app/Services.ts"
import { AnswerGuard } from "../data/AnswerGuard.ts"
import { t } from "../text/messages.ts"

export interface Answering {
  /** Put it on the element that shows the request. */
  readonly ref: (element: HTMLElement | null) => (() => void) | undefined
  readonly answer: (answer: Answer) => void
  readonly isSending: boolean
  /** The type of the answer that was accepted. */
  readonly answered: Answer["type"] | null
  readonly error: string | null
}

type State = Pick<Answering, "isSending" | "answered" | "error">
const idle: State = { isSending: false, answered: null, error: null }

/** `onAnswer`: an answer is sent. `place`: changes when the request moves on the screen. */
export const useAnswer = (
  request: Pick<OpenRequest, "requestId" | "hash"> | undefined,
  { onAnswer, place = 0 }: { readonly onAnswer?: () => void; readonly place?: unknown } = {}
): Answering => {
  const { client } = useServices()
  const [state, set] = useState(idle)
  const guard = useRef(new AnswerGuard())
  const isVisible = useRef(false)
  const hash = request?.hash

  useEffect(() => {
    set(idle)
    guard.current = new AnswerGuard()
    if (isVisible.current) guard.current.show(performance.now())
  }, [hash])
  useEffect(() => {
    if (isVisible.current) guard.current.show(performance.now())
  }, [place])

  const ref = useCallback((element: HTMLElement | null) => {
    if (element === null) return undefined
    const update = (isShown: boolean) => {
      if (isShown === isVisible.current) return
      isVisible.current = isShown
      if (isShown) guard.current.show(performance.now())
      else guard.current.hide()
    }
    let isInView = false
    const onVisibility = () => update(isInView && document.visibilityState === "visible")
    const observer = new IntersectionObserver((entries) => {
      isInView = entries.at(-1)?.isIntersecting === true
      onVisibility()
    })
    observer.observe(element)
    document.addEventListener("visibilitychange", onVisibility)
    return () => {
      observer.disconnect()
      document.removeEventListener("visibilitychange", onVisibility)
      update(false)
    }
  }, [])

  const answer = useCallback(
    (given: Answer) => {
      if (request === undefined || !guard.current.take(performance.now())) return
      const own = guard.current
      set({ ...idle, isSending: true })
      onAnswer?.()
      const send = async () => {
        try {
          await client.requests.answer(request, given)
          set({ ...idle, answered: given.type })
        } catch (error) {
          own.release()
          const isOutdated =
            isClientError(error) && error.reason._tag === "Rejected" && error.reason.code === "InvalidArgument"
          set({ ...idle, error: isOutdated ? t("request.changed") : explain(error) })
        }
      }
      void send()
    },
    [client, onAnswer, request]
  )
  return { ref, answer, ...state }
}
