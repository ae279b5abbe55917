/** The tasks of a sub-agent and their answers, which its machine reads when it is asked. */
import type { SessionId, TurnView, WorkerId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import type { ReactNode } from "react"
import { useMay, useSource } from "../app/Services.ts"
import { useMachines, useSession } from "../data/lists.ts"
import { once } from "../data/Sources.ts"
import { t } from "../text/messages.ts"
import { Loaded } from "../ui/parts.tsx"
import { isShown } from "./rows.ts"

interface Given {
  /** OpenCode's session of the sub-agent. */
  readonly agentSessionId: string
  readonly renderBlock: (block: TurnView.Block, key: string) => ReactNode
}

/** `children`: shown while the machine is off. */
export const SubAgentTranscript = ({
  children,
  sessionId,
  ...given
}: Given & { readonly sessionId: SessionId; readonly children: ReactNode }) => {
  const { value: session } = useSession(sessionId)
  const machine = useMachines()
  const mayOperate = useMay("operate")
  const workerId = session?.workerId
  if (workerId === undefined || !mayOperate || machine(workerId)?.online !== true) return children
  return <Transcript workerId={workerId} {...given} />
}

const Transcript = ({ agentSessionId, renderBlock, workerId }: Given & { readonly workerId: WorkerId }) => {
  const transcript = useSource(
    `subAgent:${agentSessionId}`,
    once(({ queries }, signal) => queries.subAgent(workerId, agentSessionId, { signal }))
  )
  return (
    <div className="transcript">
      <Loaded result={transcript} rows={1}>
        {({ truncated, turns }) => (
          <>
            {truncated && <p className="sub">{t("changes.truncated")}</p>}
            {turns.map(({ blocks, text }, turn) => (
              <div key={turn}>
                <p className="task" dir="auto">
                  {cleanText(text)}
                </p>
                {blocks.filter(isShown).map((block, index) => renderBlock(block, `${agentSessionId}:${turn}:${index}`))}
              </div>
            ))}
          </>
        )}
      </Loaded>
    </div>
  )
}
