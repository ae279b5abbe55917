/** The written form of a budget, in the configuration and in commands. */
import { Option } from "effect"

/** `2USD`, `500000tokens`, or both with a comma. */
export const budgetOf = (given: string): Option.Option<{ readonly cost?: number; readonly tokens?: number }> => {
  const [, cost, comma, tokens] = /^(?:(\d+(?:\.\d+)?)USD)?(,)?(?:(\d+)tokens)?$/i.exec(given) ?? []
  const both = cost !== undefined && tokens !== undefined
  const isWritten = (cost !== undefined || tokens !== undefined) && both === (comma !== undefined)
  const isPositive = [cost, tokens].every((each) => each === undefined || Number(each) > 0)
  return isWritten && isPositive
    ? Option.some({
        ...(cost !== undefined && { cost: Number(cost) }),
        ...(tokens !== undefined && { tokens: Number(tokens) })
      })
    : Option.none()
}

export const refusedBudget = (given: string): string =>
  `"${given}" is not accepted: it takes an amount such as 2USD, 500000tokens, or 2USD,500000tokens.`
