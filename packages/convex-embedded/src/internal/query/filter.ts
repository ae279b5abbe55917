/** Evaluates the expressions of `query.filter(q => …)`. */
import { compareValues, type JSONValue, type Value } from "convex/values"
import { type Document, fieldAt, fromJson } from "../values/values.ts"

/** Whether a document passes. Fails if the expression is not boolean. */
export const passes = (document: Document, expression: JSONValue): boolean => {
  const value = evaluate(document, expression)
  if (typeof value === "boolean") return value
  throw new Error("A filter must be a condition: its value is not true or false.")
}

const evaluate = (document: Document, expression: JSONValue): Value | undefined => {
  const [operator, operand] = Object.entries(expression as { [operator: string]: JSONValue })[0] ?? []
  const operands = () => (operand as Array<JSONValue>).map((each) => evaluate(document, each))
  const order = () => {
    const [left, right] = operands()
    return compareValues(left, right)
  }
  switch (operator) {
    case "$eq":
      return order() === 0
    case "$neq":
      return order() !== 0
    case "$lt":
      return order() < 0
    case "$lte":
      return order() <= 0
    case "$gt":
      return order() > 0
    case "$gte":
      return order() >= 0
    case "$and":
      return (operand as Array<JSONValue>).every((each) => passes(document, each))
    case "$or":
      return (operand as Array<JSONValue>).some((each) => passes(document, each))
    case "$not":
      return !passes(document, operand!)
    case "$field":
      return fieldAt(document, operand as string)
    case "$literal":
      return fromJson(operand!)
    case "$neg":
      return arithmetic("$sub", 0, evaluate(document, operand!))
    case "$add":
    case "$sub":
    case "$mul":
    case "$div":
    case "$mod": {
      const [left, right] = operands()
      return arithmetic(operator, left, right)
    }
    default:
      throw new Error(`The filter operator ${operator} is not supported by convex-embedded.`)
  }
}

type Arithmetic = "$add" | "$sub" | "$mul" | "$div" | "$mod"

const arithmetic = (operator: Arithmetic, left: Value | undefined, right: Value | undefined): number | bigint => {
  if (typeof left === "number" && typeof right === "number") return operators[operator](left, right)
  if (typeof right === "bigint" && (typeof left === "bigint" || left === 0)) {
    return operators[operator](BigInt(left), right)
  }
  throw new Error("Arithmetic in a filter needs two numbers of the same type.")
}

/** For both number types: the two operands always have the same type. */
const operators: Record<Arithmetic, (left: number | bigint, right: number | bigint) => number | bigint> = {
  $add: (left, right) => (left as number) + (right as number),
  $div: (left, right) => (left as number) / (right as number),
  $mod: (left, right) => (left as number) % (right as number),
  $mul: (left, right) => (left as number) * (right as number),
  $sub: (left, right) => (left as number) - (right as number)
}
